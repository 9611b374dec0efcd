"""Languages of sound and subtitles as a container can say them."""

from __future__ import annotations

# QuickTime has a list of its own. FFmpeg finds these under one of their two ISO 639-2 codes only.
_QUICKTIME = {
    **{"sqi": "alb", "hye": "arm", "eus": "baq", "mya": "bur", "zho": "chi", "cze": "ces"},
    **{"nld": "dut", "fre": "fra", "kat": "geo", "deu": "ger", "ell": "gre", "isl": "ice"},
    **{"mkd": "mac", "msa": "may", "fas": "per", "rum": "ron", "slo": "slk", "bod": "tib"},
    **{"cym": "wel", "swe": "sve"},
}


def language_in(container: str, language: str) -> str:
    """The code under which a container keeps a language.

    Args:
        container: FFmpeg's name of it.
        language: ISO 639-2.
    """
    return _QUICKTIME.get(language, language) if container == "mov" else language
