"""Recordings: read, answered as the node would have, and written."""

from zeroproof_ros.bags.evaluation import AnsweredBag, BagFacts, answer_bag
from zeroproof_ros.bags.reading import Recorded, Recording
from zeroproof_ros.bags.writing import BagFile

__all__ = ["AnsweredBag", "BagFacts", "BagFile", "Recorded", "Recording", "answer_bag"]
