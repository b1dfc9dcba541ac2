"""The broken variants of the protocol: the rule each breaks, and a history that shows the loss."""

from __future__ import annotations

from typing import Final, NamedTuple


class Mutant(NamedTuple):
    """What is broken, and the scenario and seed of a history that ends wrong because of it."""

    broken: str
    scenario: str
    seed: int


MUTANTS: Final[dict[str, Mutant]] = {
    "image_before_edges": Mutant("the image is stored before its edges", "deep", 288),
    "edge_not_raised": Mutant("an edge that exists keeps its version", "self", 555),
    "edge_delete_not_conditioned": Mutant("clean-up deletes edges of any version", "self", 109),
    "edge_shared_by_keys": Mutant("two foreign keys of one row to one parent share an edge", "copied and followed", 27),
    "no_former": Mutant("parents that a row has left are forgotten", "self", 29),
    "image_not_conditioned": Mutant("images are written without a condition", "deep", 6),
    "no_tombstone": Mutant("a deleted row leaves no image", "lines", 27),
    "stale_is_done": Mutant("a change that is older than the image is done with", "self", 95),
    "equal_is_done": Mutant("a change that is stored already is done with", "self", 9),
    "root_is_only_root": Mutant("a root table is looked for at the root only", "self", 45),
    "document_not_conditioned": Mutant("documents are written whatever their revision", "self", 63),
    "deleted_document_forgets_revision": Mutant("a deleted document starts again at revision 1", "lines", 681),
    "equal_body_is_skipped": Mutant("bodies are compared instead of fingerprints", "lines", 61),
    "heads_after_images": Mutant("revisions are read after the images that count as known", "lines", 1868),
    "parents_beside_what_is_known": Mutant("parents are written beside the rows that count as known", "plain", 92),
    "known_after_lost_race": Mutant("what is known counts after a lost race as well", "lines", 839),
    "checkpoint_first": Mutant("the checkpoint comes before the work", "lines", 4),
    "absent_is_null": Mutant("an absent column is NULL", "partial", 0),
    "stale_does_not_fill": Mutant("a late change fills nothing", "partial", 6),
    "fp_without_lag": Mutant("the fingerprint has the row's version only, not those of its cells", "chains", 32),
    "tombstone_keeps_nothing": Mutant("a changed key keeps nothing of what its put lacks", "moves", 12),
    "nothing_handed_on": Mutant("what is kept is not handed on", "moves", 12),
    "own_past_fills_moved": Mutant("earlier lives of the new key fill a moved row", "chains", 10),
    "late_birth_ignored": Mutant("a put of a changed key that comes late begins no life", "moves", 17),
    "earlier_life_fills_kept": Mutant("earlier lives fill what a move keeps", "chains", 1309),
    "handed_to_any_life": Mutant("what is handed on fills whoever lives under the new key", "chains", 537),
    "moves_end_with_tombstone": Mutant("a move is forgotten when the old key is taken again", "chains", 105),
    "no_sweep": Mutant("rows that vanished stay", "reload", 0),
    "sweep_before_load_ends": Mutant("the sweep does not wait for the load, and its version is above it", "reload", 0),
    "sweep_outside_protocol": Mutant("the sweep deletes images by itself", "reload", 6),
    "sweep_takes_its_own_as_done": Mutant(
        "a sweep that starts again skips what the one before stored", "vanished", 1510
    ),
    "cov_ignored": Mutant("an image of equal version covers everything", "new relation", 0),
    "cov_before_edges": Mutant("coverage is stored before the edges", "new relation", 902),
    "cov_is_union": Mutant("coverage stays when cells change", "new relation", 1700),
    "unseen_filled_by_older": Mutant("any change fills a column that was not kept", "new relation", 385),
    "ready_ignored": Mutant("documents of the new generation are built before all edges stand", "new relation", 10),
    "new_document_does_not_wait": Mutant("the same, of documents that do not exist yet only", "generations", 669),
    "documents_before_edges": Mutant("`rebuild` goes over the documents first", "new relation", 0),
    "generation_not_conditioned": Mutant("a document of a newer generation may be replaced", "new relation", 48),
    "looked_up_row_gives_no_copy": Mutant("only the referrer looks for what it copies", "copies", 10),
    "copies_not_conditioned": Mutant("images are written whatever copies they hold", "copies", 1004),
    "copy_not_conditioned": Mutant("a copy is written whatever copy is there", "copies", 196),
    "copied_edge_deleted_first": Mutant("the edge goes before the documents are rebuilt", "copies", 2431),
    "due_cursor_first": Mutant("a slice moves its cursor before it rebuilds", "due", 5981),
    "due_again_ignored": Mutant(
        "a pass that ends is the last one, also if its row changed meanwhile", "due again", 638
    ),
    "fp_without_copies": Mutant("the fingerprint has no copies", "copies", 158),
}
