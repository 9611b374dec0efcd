"""Notes: what whoever relies on a file's frames must know."""

from __future__ import annotations

from counterface.media.decoder_process.wire import pack_note, unpack_note
from counterface.media.notes import MediaNote, merge_notes

HDR = MediaNote("hdr", "The picture is HDR.")
GUESS = MediaNote("cut_short", "The file ends early.")
COUNT = MediaNote("cut_short", "The file ends early: 3 of 10 frames are there.")


def test_a_note_survives_the_pipe():
    assert unpack_note(pack_note(COUNT)) == COUNT


def test_hostile_text_from_the_decoder_process_is_one_short_printable_line():
    note = unpack_note({"code": "hdr\n", "text": "\x1b[2J" + "x" * 10_000})
    assert note.code == "hdr?"
    assert note.text.isprintable()
    assert len(note.text) <= 2000


def test_what_reading_found_replaces_what_the_header_promised():
    assert merge_notes([GUESS, HDR], [COUNT]) == (COUNT, HDR)
    assert merge_notes([HDR], []) == (HDR,)
