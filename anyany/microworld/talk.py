"""Everyday talk: what people say in passing, and small facts that everybody knows."""

import numpy as np

from anyany.microworld.sums import NAMES
from anyany.microworld.words import Exchange, chance, fill, pick, sentence, typed

HELLOS = ("hello", "hi", "hey", "good morning", "good evening", "hi there", "hello there", "good day")
# What is said, and what may be replied; every reply fits every line of its row.
_TOPICS = """
how are you? | how is it going? | how are you today? | are you well? -> I am fine, thank you. | Very well, thanks.
thank you | thanks a lot | many thanks | that was very kind | great, thank you -> You are welcome. | My pleasure.
goodbye | bye | see you tomorrow | i have to go now | good night -> Goodbye! | See you soon!
who are you? | what are you? | are you a person? -> I am a small language model. | I am a computer program.
can you help me? | i need help | could you do something for me? -> Of course. What can I do? | Yes. What do you need?
what can you do? | what are you good at? -> I can talk, draw, and make clips and sounds.
i am tired | i slept badly | i am so sleepy -> Then you should rest a little. | I hope you can sleep soon.
i am hungry | i have not eaten today | i would like some food -> Then it is time to eat.
i am thirsty | my mouth is dry -> A glass of water would help. | Then drink some water.
i am happy today | today is a good day | everything went well -> I am glad to hear that. | How nice!
i am sad | i had a bad day | nothing went well today -> I am sorry to hear that. | I hope tomorrow is better.
i am cold | it is so cold here -> A warm coat would help. | A cup of tea would warm you.
it is raining | the rain does not stop | it rains again -> Take your umbrella with you.
the sun is shining | what a fine day | the weather is so nice -> A good day for a walk. | Enjoy the sun!
do you like music? | do you listen to music? -> Yes, I like sounds of all kinds.
do you like pictures? | do you like to draw? -> Yes, I like to draw simple pictures.
tell me a joke | make me laugh | say something funny -> What did one wall say to the other? I'll meet you at the corner.
i am sorry | excuse me | that was my mistake -> No problem. | That is all right.
you are wrong | that is not right | that is not what i asked for -> I am sorry. Let me try again.
well done | good job | that was perfect | very nice work -> Thank you! | I am glad you like it.
wait a moment | one moment please | i will be right back -> Take your time. | I will wait.
it is my birthday | today is my birthday -> Happy birthday! | All the best for your birthday!
what is your name? | do you have a name? | how may i call you? -> You can call me Any.
are you there? | can you hear me? | are you listening? -> Yes, I am here. | Yes, I am listening.
i am bored | i do not know what to do -> Shall I draw something for you? | We could look at some pictures.
"""
_MET = "my name is {name} | i am {name} | this is {name} | {name} here | you can call me {name} | people call me {name}"
_LIKED = "tea | coffee | milk | bread | soup | music | football | chess | books | rain | snow | cats | dogs | fish"
ASKED_BACK = ("what is my name?", "who am i?", "do you know my name?", "what was my name?", "say my name.")

_DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday"
_MONTHS = "January February March April May June July August September October November December"
_OPPOSITES = "hot cold | big small | old new | fast slow | day night | up down | open closed | wet dry | early late"
_SPEAK = "cow moo | dog woof | cat meow | sheep baa | duck quack | pig oink | bee buzz"
_OPENINGS = "tell me, | i forgot, | do you know, | a question: | quick, | please, | say, | well, | so, | hello,"
AFTER = ("what comes after {one}?", "which {kind} comes after {one}?", "what {kind} follows {one}?")
BEFORE = ("what comes before {one}?", "which {kind} comes before {one}?", "what {kind} is before {one}?")
OPPOSITE = ("what is the opposite of {one}?", "give me the opposite of {one}.", "not {one}, but what?")
VOICE = ("what does a {one} say?", "which sound does a {one} make?", "how does a {one} go?")


def _row(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split("|"))


TOPICS = [tuple(map(_row, line.split("->"))) for line in _TOPICS.strip().splitlines()]
MET, LIKED, OPPOSITES, SPEAK, OPENINGS = map(_row, (_MET, _LIKED, _OPPOSITES, _SPEAK, _OPENINGS))
FACTS = (("day", _DAYS.split()), ("month", _MONTHS.split()), ("opposite", OPPOSITES), ("voice", SPEAK))


def passing(rng: np.random.Generator) -> Exchange:
    """A line of everyday talk and a fitting reply, sometimes with a greeting in front of both."""
    lines, replies = pick(rng, TOPICS)
    line = sentence(pick(rng, lines))
    if chance(rng, 0.4):
        line, replies = f"{sentence(pick(rng, HELLOS))} {line}", tuple(f"Hello. {reply}" for reply in replies)
    return Exchange(typed(line, rng), pick(rng, replies), {"any": list(replies)})


def meeting(rng: np.random.Generator) -> Exchange:
    """Somebody gives a name or a liking, and may ask for it back."""
    name, hello, like = pick(rng, NAMES), sentence(pick(rng, HELLOS)), pick(rng, LIKED)
    met = sentence(fill(pick(rng, MET), name=name))
    kind = int(rng.integers(4))
    if kind == 0:
        reply = f"Hello {name}, nice to meet you."
        return Exchange(typed(f"{hello} {met}", rng), reply, {"text": reply})
    if kind == 1:
        return Exchange(typed(f"{met} {sentence(pick(rng, ASKED_BACK))}", rng), name, {"text": name})
    if kind == 2:
        other = pick(rng, [liked for liked in LIKED if liked != like])
        request = f"{met} I like {like}, but I do not like {other}. What do I like?"
        return Exchange(typed(request, rng), like, {"text": like})
    reply = f"It is good that you like {like}, {name}."
    return Exchange(typed(f"{met} I like {like}.", rng), reply, {"text": reply})


def common(rng: np.random.Generator) -> Exchange:
    """Small facts: days, months, opposites, what animals say."""
    kind, names = pick(rng, FACTS)
    if kind in ("day", "month"):
        index, step = int(rng.integers(len(names))), pick(rng, (1, -1))
        one, reply = names[index], names[(index + step) % len(names)]
        question = pick(rng, AFTER if step == 1 else BEFORE)
    else:
        one, reply = pick(rng, names).split()
        if kind == "opposite" and chance(rng, 0.5):
            one, reply = reply, one
        question = pick(rng, OPPOSITE if kind == "opposite" else VOICE)
    opening = pick(rng, OPENINGS) if chance(rng, 0.7) else ""
    return Exchange(typed(fill(f"{opening} {question}", one=one, kind=kind), rng), reply, {"text": reply})
