"""Recordings: read, answered as the node would have, judged, compared, and written."""

from zeroproof_ros.bags.answering import AnsweredBag, BagFacts, answer_bag
from zeroproof_ros.bags.document import check_ahead, document, write_report
from zeroproof_ros.bags.evaluation import Evaluation, evaluate, load_ik
from zeroproof_ros.bags.reading import Recorded, Recording
from zeroproof_ros.bags.targets import target_topic
from zeroproof_ros.bags.writing import BagFile

__all__ = [
    "AnsweredBag",
    "BagFacts",
    "BagFile",
    "Evaluation",
    "Recorded",
    "Recording",
    "answer_bag",
    "check_ahead",
    "document",
    "evaluate",
    "load_ik",
    "target_topic",
    "write_report",
]
