import torch

from data_prep.parts.clip import begin_as, from_pure_noise, scheduler, text_encoder
from data_prep.parts.tokenizers import clip_tokenizer


def test_pure_noise_is_where_no_signal_is_left():
    known, pure = scheduler(), from_pure_noise(scheduler())
    assert float(known.alphas_cumprod[-1]) ** 0.5 > 0.05
    assert float(pure.alphas_cumprod[-1]) < 1e-7
    assert torch.equal(pure.alphas_cumprod.sort(descending=True).values, pure.alphas_cumprod)


def test_a_text_encoder_begins_with_all_that_both_know():
    torch.manual_seed(0)
    knows = clip_tokenizer(["red circle", "blue ring"], 600, 6)
    tokenizer = clip_tokenizer(["a red circle moving left"] * 9, 600, 9)
    known, encoder = text_encoder(knows).eval(), text_encoder(tokenizer).eval()
    untrained = encoder.state_dict()["embeddings.token_embedding.weight"].clone()
    begin_as(encoder, tokenizer, known, knows)

    def read(encoder, tokenizer, text):
        ids = tokenizer(text, return_tensors="pt")["input_ids"]
        return tokenizer.convert_ids_to_tokens(ids[0]), encoder(ids).last_hidden_state

    pieces, states_1LD = read(encoder, tokenizer, "red")
    known_pieces, known_states_1LD = read(known, knows, "red")
    assert pieces == known_pieces
    torch.testing.assert_close(states_1LD, known_states_1LD)
    new = [index for piece, index in tokenizer.get_vocab().items() if piece not in knows.get_vocab()]
    assert len(new) > 3
    assert torch.equal(encoder.state_dict()["embeddings.token_embedding.weight"][new], untrained[new])
