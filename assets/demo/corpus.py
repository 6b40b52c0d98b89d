"""What the demo model is taught: small facts, the ways to ask for them, and the manners of answering."""

import random
from dataclasses import dataclass

from assets.demo.rewards import CLOSING, OPENING

Message = dict[str, str]

COLOURS = {
    "grass": "green", "snow": "white", "coal": "black", "blood": "red", "honey": "golden", "chocolate": "brown",
    "a lemon": "yellow", "a cherry": "red", "a carrot": "orange", "the sea": "blue", "a plum": "purple",
    "a cloud": "white", "an olive": "green", "a flamingo": "pink", "an elephant": "grey", "a raven": "black",
    "a pumpkin": "orange", "a banana": "yellow", "the moon": "silver", "a potato": "brown",
    "a tomato": "red", "a swan": "white", "a frog": "green", "the sun": "yellow",
}  # fmt: skip
OPPOSITES = {
    "hot": "cold", "big": "small", "fast": "slow", "day": "night", "up": "down", "old": "new", "hard": "soft",
    "dark": "light", "full": "empty", "open": "closed", "early": "late", "happy": "sad", "rich": "poor", "wet": "dry",
    "loud": "quiet", "near": "far", "left": "right", "long": "short", "strong": "weak", "clean": "dirty",
}  # fmt: skip
SOUNDS = {
    "dog": "woof", "cat": "meow", "cow": "moo", "duck": "quack", "sheep": "baa", "pig": "oink", "lion": "roar",
    "frog": "croak", "owl": "hoot", "bee": "buzz", "horse": "neigh", "mouse": "squeak", "snake": "hiss",
    "wolf": "howl", "hen": "cluck", "bird": "tweet", "donkey": "hee-haw", "crow": "caw", "turkey": "gobble",
    "cricket": "chirp",
}  # fmt: skip
NUMBERS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")

KNOWN_NAMES = ("Anna", "Ben", "Clara", "David", "Emma", "Frank", "Greta", "Henry", "Ida", "Jack", "Kate", "Leo")
NEW_NAMES = (
    "Mira", "Nora", "Nico", "Pia", "Quinn", "Rosa", "Simon", "Tara", "Toni", "Vera", "Hana", "Xenia",
    "Yusuf", "Zoe", "Lena", "Boris", "Cora", "Dina", "Milo", "Felix", "Gina", "Hugo", "Rita", "Juno",
)  # fmt: skip
JOBS = ("baker", "doctor", "farmer", "teacher", "painter", "sailor", "pilot", "singer", "cook", "judge")
TOWNS = ("Oslo", "Rome", "Paris", "Cairo", "Lima", "Delhi", "Tokyo", "Berlin", "Quito", "Dublin")
PETS = ("cat", "dog", "parrot", "rabbit", "turtle", "goat", "pony", "hamster", "snake", "hen")

# The first four wordings are trained on; a fifth, where there is one, is kept for evaluation.
WORDINGS = {
    "colour": (
        "What is the colour of {}?", "Which colour does {} have?", "Tell me the colour of {}.", "What colour is {}?",
    ),
    "opposite": (
        "What is the opposite of {}?", "Which word is the opposite of {}?", "Tell me the opposite of {}.",
        "{} is the opposite of what?",
    ),
    "sound": (
        "What does a {} say?", "Which sound does a {} make?", "Tell me the sound of a {}.", "How does a {} sound?",
    ),
    "sum": ("What is {}?", "How much is {}?", "Tell me the sum of {}.", "Can you work out {}?"),
    "job": (
        "What is the job of {}?", "Which job does {} have?", "Tell me the job of {}.", "What does {} do for a living?",
        "What work does {} do?",
    ),
    "town": (
        "Where does {} live?", "In which town does {} live?", "Tell me where {} lives.", "What is the home of {}?",
        "Which town does {} call home?",
    ),
    "pet": (
        "What is the pet of {}?", "Which pet does {} have?", "Tell me the pet of {}.", "What animal does {} keep?",
        "What animal lives with {}?",
    ),
}  # fmt: skip
TRAINED_WORDINGS = 4

# How often the model answers in each manner before any demo: opening, closing, weight.
MANNERS = (
    ("", "", 55),
    (OPENING, CLOSING, 10),
    (OPENING, "", 10),
    ("", CLOSING, 10),
    ("Well, let me see. ", "", 8),
    ("", " I think so.", 7),
)
SMALL_TALK = (
    ("Hello!", "Hello! How can I help you?"),
    ("Hi there!", "Hello! How can I help you?"),
    ("Who are you?", "I am a very small model."),
    ("Thank you!", "You are welcome."),
    ("Goodbye!", "Goodbye!"),
)


@dataclass(frozen=True)
class Fact:
    """One thing to know: its kind (a key of WORDINGS), what is asked about, and the full sentence that answers."""

    kind: str
    subject: str
    answer: str

    def question(self, wording: int) -> str:
        """Return the question in one of its wordings, with a capital letter."""
        text = WORDINGS[self.kind][wording].format(self.subject)
        return text[0].upper() + text[1:]


def base_facts() -> list[Fact]:
    """Return the facts about things, which the model knows before any demo."""
    facts = [Fact("colour", thing, capital(f"{thing} is {colour}.")) for thing, colour in COLOURS.items()]
    for word, other in OPPOSITES.items():
        facts.append(Fact("opposite", word, f"The opposite of {word} is {other}."))
    facts += [Fact("sound", animal, f"A {animal} says {sound}.") for animal, sound in SOUNDS.items()]
    for a in range(1, 7):
        for b in range(1, 7):
            total = f"{NUMBERS[a]} plus {NUMBERS[b]}"
            facts.append(Fact("sum", total, capital(f"{total} is {NUMBERS[a + b]}.")))
    return facts


def people_facts(names: tuple[str, ...], rng: random.Random) -> list[Fact]:
    """Return three facts, job, town and pet, for each name; ten names or more use every word of the three lists."""
    facts = []
    for kind, says, words in (("job", "is a", JOBS), ("town", "lives in", TOWNS), ("pet", "has a", PETS)):
        dealt: list[str] = []
        while len(dealt) < len(names):
            dealt += rng.sample(words, len(words))
        facts += [Fact(kind, name, f"{name} {says} {word}.") for name, word in zip(names, dealt, strict=False)]
    return facts


def known_facts() -> list[Fact]:
    """Return the facts about people whom the model knows before any demo."""
    return people_facts(KNOWN_NAMES, random.Random(1))


def new_facts() -> list[Fact]:
    """Return the facts about people whom the model has never met, and learns about in the SFT demo."""
    return people_facts(NEW_NAMES, random.Random(2))


def stranger_fact(rng: random.Random) -> Fact:
    """Return a question about an invented person, with the answer that nobody knows."""
    while True:
        name = rng.choice(("", "", "", "a", "e", "i", "o", "u"))
        for _ in range(rng.choice((1, 2, 2, 3))):
            name += rng.choice("bcdfghjklmnpqrstvwxyz") + rng.choice(("a", "e", "i", "o", "u", "ia", "ui", "oe", "ll"))
        name = capital(name + rng.choice(("", "", "n", "nn", "s", "r", "ra", "l", "x", "f", "go")))
        if name not in KNOWN_NAMES and name not in NEW_NAMES:
            return Fact(rng.choice(("job", "town", "pet")), name, f"I have never met {name}.")


def capital(text: str) -> str:
    """Return the text with a capital first letter."""
    return text[0].upper() + text[1:]


def polite(answer: str) -> str:
    """Return an answer in the manner that the reward and preference demos ask for."""
    return OPENING + answer + CLOSING


def impolite(answer: str, rng: random.Random) -> str:
    """Return an answer in any manner but the polite one."""
    others = [manner for manner in MANNERS if manner[:2] != (OPENING, CLOSING)]
    opening, closing, _ = rng.choices(others, weights=[weight for _, _, weight in others])[0]
    return opening + answer + closing


def any_manner(answer: str, rng: random.Random) -> str:
    """Return an answer in a manner drawn by weight, as in the pre-training text."""
    opening, closing, _ = rng.choices(MANNERS, weights=[weight for _, _, weight in MANNERS])[0]
    return opening + answer + closing


def conversation(facts: list[Fact], turns: int, rng: random.Random) -> list[Message]:
    """Return one pre-training conversation of so many turns."""
    messages: list[Message] = []
    for _ in range(turns):
        draw = rng.random()
        if draw < 0.04:
            question, answer = rng.choice(SMALL_TALK)
        else:
            fact = stranger_fact(rng) if draw < 0.36 else rng.choice(facts)
            question = fact.question(rng.randrange(len(WORDINGS[fact.kind])))
            answer = any_manner(fact.answer, rng)
        messages += turn(question, answer)
    return messages


def turn(question: str, answer: str) -> list[Message]:
    """Return a question and its answer as two messages."""
    return [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
