"""Bytes of a sound <-> samples.

soundfile reads wav, flac, ogg and mp3. What it cannot open goes to PyAV instead: MP4 and Matroska containers (m4a,
weba), and a FLAC written to a pipe, which lacks its length. The first bytes decide, and the log says so.

Shape letters: S samples, N channels.
"""

import io
import itertools
import logging
import math
import struct
from collections.abc import Iterable

import av
import numpy as np
import soundfile
import torch
from av.container import InputContainer
from scipy.signal import resample_poly
from torch import Tensor

from anyany.media.table import MediaFault

MAX_SOUND_S = 3600.0
MAX_SAMPLES = 3600 * 48_000  # a channel; they take 0.7 GB, and as silence in a FLAC half a megabyte
_RATES_HZ = range(1_000, 768_001)  # outside it a header is wrong, and resampling would take a filter of any size
_SLACK_S = 0.1  # by which an mp3 header may promise too much: encoders disagree on padding
_RIFF_SLACK = 16  # bytes; some writers count the header into the size of its content
_RIFF_UNKNOWN = 0x7FFF0000  # sizes from here on are written by programs that could not seek back
_BLOCK = 1 << 20  # samples read at once, over all channels
# FFmpeg tells the format from the bytes; a playlist would open other files. Pictures beside the sound are not decoded.
_READ_OPTIONS = {"format_whitelist": "mov,matroska,flac", "max_pixels": "1"}

log = logging.getLogger(__name__)


def decode_sound(data: bytes, sample_rate_hz: int) -> Tensor:
    """float32 [S] in -1..1: the channels averaged, resampled (polyphase) to the rate, overshoots clipped.

    All channels count alike, those of 5.1 too, and what two of them hold in opposite phase is silence, as it is from
    one loudspeaker. Above the lower Nyquist rate little is left from 1.2 times that rate on. AAC's last frame stays
    filled with silence.

    Raises:
        MediaFault: ``empty_audio`` without bytes or samples; ``broken_audio`` for what cannot be read, is cut off or
            holds NaN or infinity; ``long_audio`` above an hour or ``MAX_SAMPLES``. An mp3 without a length in its
            header shows no cut.
    """
    if not data:
        raise MediaFault("empty_audio", "sound of 0 bytes; write the file again")
    read = _read_av if _is_for_av(data) else _read_soundfile
    sound_S, rate_hz = read(data)
    if not len(sound_S):
        raise MediaFault("empty_audio", "sound without samples; leave it out or record it again")
    return torch.from_numpy(np.clip(resample(sound_S, rate_hz, sample_rate_hz), -1.0, 1.0))


def resample(sound_S: np.ndarray, from_hz: int, to_hz: int) -> np.ndarray:
    """float32 [S] at another rate: polyphase, with scipy's Kaiser filter at the lower of both Nyquist rates."""
    if from_hz == to_hz:
        return sound_S
    common = math.gcd(from_hz, to_hz)
    return resample_poly(sound_S, to_hz // common, from_hz // common).astype(np.float32)


def encode_flac(sound_S: Tensor, sample_rate_hz: int) -> bytes:
    """FLAC of 16 bit; the same samples give the same bytes. Samples beyond -1..1 are clipped."""
    return _encode(sound_S, sample_rate_hz, "FLAC")


def encode_wav(sound_S: Tensor, sample_rate_hz: int) -> bytes:
    """WAV of 16 bit; the same samples give the same bytes. Samples beyond -1..1 are clipped."""
    return _encode(sound_S, sample_rate_hz, "WAV")


def _encode(sound_S: Tensor, sample_rate_hz: int, container: str) -> bytes:
    if sound_S.ndim != 1 or not len(sound_S) or not sound_S.is_floating_point():
        raise ValueError(f"sound is {sound_S.dtype} {list(sound_S.shape)}; give floating samples [S], S > 0")
    if not bool(torch.isfinite(sound_S).all()):
        raise ValueError("sound holds NaN or infinite samples; give finite ones in -1..1")
    scaled_S = sound_S.detach().cpu().float().numpy() * 32768.0  # exact: a power of two
    pcm_S = np.clip(np.rint(scaled_S), -32768, 32767).astype(np.int16)
    file = io.BytesIO()
    soundfile.write(file, pcm_S, sample_rate_hz, format=container, subtype="PCM_16")
    return file.getvalue()


def _read_soundfile(data: bytes) -> tuple[np.ndarray, int]:
    try:
        with soundfile.SoundFile(io.BytesIO(data)) as file:
            rate_hz, promised = file.samplerate, file.frames
            _check_header(rate_hz, promised / rate_hz)
            size = max(1, _BLOCK // file.channels)
            blocks = (file.read(size, dtype="float32", always_2d=True) for _ in itertools.count())
            sound_S = _averaged(itertools.takewhile(len, blocks), rate_hz)
    except soundfile.LibsndfileError as error:
        message = f"{len(data)} bytes that soundfile cannot read: {error.error_string} Write or fetch the file again"
        raise MediaFault("broken_audio", message) from error
    _check_end(len(sound_S), promised, rate_hz, _riff_is_cut(data) or _ogg_is_cut(data))
    return sound_S, rate_hz


def _read_av(data: bytes) -> tuple[np.ndarray, int]:
    log.debug("%d bytes starting %r: read with PyAV, as soundfile cannot", len(data), data[:8])
    try:
        with av.open(io.BytesIO(data), mode="r", options=_READ_OPTIONS, metadata_errors="replace") as container:
            if not container.streams.audio:
                raise MediaFault("broken_audio", "a container without a sound track; give one that has sound")
            track = container.streams.audio[0]
            if track.codec_context is None:  # typed as always there, but not where the codec's name is damaged
                raise MediaFault("broken_audio", "a sound track of no known codec; write or fetch the file again")
            resampler = av.AudioResampler(format="fltp", layout=track.layout, rate=track.rate)  # fltp: float32 [N, S]
            frames = (frame for packed in container.decode(track) for frame in resampler.resample(packed))
            promised_s = _promised_s(container)
            _check_header(track.rate, promised_s)
            sound_S = _averaged((frame.to_ndarray().T for frame in frames), track.rate)
    except av.FFmpegError as error:
        message = f"{len(data)} bytes that PyAV cannot read: {error.strerror}. Write or fetch the file again"
        raise MediaFault("broken_audio", message) from error
    _check_end(len(sound_S), promised_s * track.rate, track.rate, False)
    return sound_S, track.rate


def _promised_s(container: InputContainer) -> float:
    """The sound track's length; 0 where only that of all tracks together is known, of which pictures may be longest."""
    track = container.streams.audio[0]
    if track.duration and track.time_base:
        return float(track.duration * track.time_base)
    return (container.duration or 0) / av.time_base if len(container.streams) == 1 else 0.0


def _averaged(blocks: Iterable[np.ndarray], rate_hz: int) -> np.ndarray:
    """[S] from blocks [S, N]; what turns out too long, whatever its header said, is not read to its end."""
    taken: list[np.ndarray] = []
    num_samples = 0
    for block_SN in blocks:
        num_samples += len(block_SN)
        _check_header(rate_hz, num_samples / rate_hz)
        if not np.isfinite(block_SN).all():
            raise MediaFault("broken_audio", "sound with NaN or infinite samples; write the file again")
        taken.append(block_SN.mean(axis=1, dtype=np.float32))
    return taken[0] if len(taken) == 1 else np.concatenate(taken or [np.zeros(0, np.float32)])


def _check_header(rate_hz: int, length_s: float) -> None:
    if rate_hz not in _RATES_HZ:
        raise MediaFault("broken_audio", f"sound of {rate_hz} Hz; expected {_RATES_HZ[0]} to {_RATES_HZ[-1]} Hz")
    limit_s = min(MAX_SOUND_S, MAX_SAMPLES / rate_hz)
    if length_s > limit_s:
        raise MediaFault("long_audio", f"sound of {length_s:.0f} s; cut it into pieces of at most {limit_s:.0f} s")


def _check_end(num_samples: int, promised: float, rate_hz: int, is_cut: bool) -> None:
    if is_cut or num_samples < promised - _SLACK_S * rate_hz:
        raise MediaFault("broken_audio", f"sound cut off after {num_samples} samples; fetch the file again")


def _is_for_av(data: bytes) -> bool:
    """MP4, Matroska, or a FLAC whose STREAMINFO (RFC 9639, section 8.2) gives no number of samples."""
    flac_without_length = data[:4] == b"fLaC" and len(data) > 26 and not data[21] & 15 and data[22:26] == bytes(4)
    return data[4:8] == b"ftyp" or data[:4] == b"\x1a\x45\xdf\xa3" or flac_without_length


def _riff_is_cut(data: bytes) -> bool:
    """libsndfile reads what is there of a cut wav without a word."""
    if data[:4] != b"RIFF":
        return False
    (size,) = struct.unpack_from("<I", data, 4)
    return size < _RIFF_UNKNOWN and 8 + size > len(data) + _RIFF_SLACK


def _ogg_is_cut(data: bytes) -> bool:
    """Whether the last page is incomplete or not marked as the last (RFC 3533, section 6)."""
    if data[:4] != b"OggS":
        return False
    page = data[data.rfind(b"OggS") :]
    if len(page) < 27 or len(page) < 27 + page[26]:
        return True
    num_bytes = 27 + page[26] + sum(page[27 : 27 + page[26]])
    return len(page) < num_bytes or not page[5] & 4
