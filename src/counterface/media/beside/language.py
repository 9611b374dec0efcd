"""Languages of sound and subtitles as a container can say them."""

from __future__ import annotations

# QuickTime has a list of its own. FFmpeg finds these under one of their two ISO 639-2 codes only.
_QUICKTIME = {
    **{"sqi": "alb", "hye": "arm", "eus": "baq", "mya": "bur", "zho": "chi", "cze": "ces"},
    **{"nld": "dut", "fre": "fra", "kat": "geo", "deu": "ger", "ell": "gre", "isl": "ice"},
    **{"mkd": "mac", "msa": "may", "fas": "per", "rum": "ron", "slo": "slk", "bod": "tib"},
    **{"cym": "wel", "swe": "sve"},
}
_CODES = (
    "alb amh ara arm asm aym aze baq bel ben bul bur cat ces chi dan dut dzo eng epo "
    "est fin fra geo ger gre grn guj heb hin hun ice ind iri ita jav jpn kan kas kaz "
    "khm kin kir kor kur lao lat lav lit mac mal mar may mlg mlt mol mon nep nor nya "
    "ori orm per pol por pus que ron run rus san sin slk slv smi snd som spa sve swa "
    "tam tat tel tgk tgl tha tib tir tuk tur uig ukr urd uzb vie wel yid "
)
_QUICKTIME_HOLDS = frozenset(_CODES.split())
_UNKNOWN = ("", "und")


def language_in(container: str, language: str) -> str:
    """The code under which a container keeps a language.

    Args:
        container: FFmpeg's name of the container.
        language: code of ISO 639-2.
    """
    return _QUICKTIME.get(language, language) if container == "mov" else language


def is_held(container: str, language: str) -> bool:
    """Whether a reader of the container finds the language again; true where none is named.

    Args:
        container: FFmpeg's name of the container.
        language: code in the source; MP4 takes three letters, Matroska any text.
    """
    if language in _UNKNOWN or container == "matroska":
        return True
    if container == "mov":
        return language_in(container, language) in _QUICKTIME_HOLDS
    return len(language) == 3 and language.isascii() and language.isalpha() and language.islower()
