"""Write the data of the quickstart: orders to a café, each with its record in JSON.

    python scripts/make_quickstart_data.py [FOLDER]

The held-out rows have names, items and phrasings that occur in no training row. The same seed gives
the same files. Needs Python alone.
"""

from __future__ import annotations

import json
import random
import sys
from pathlib import Path

FOLDER = Path(__file__).parents[1] / "examples/quickstart/data"
SEED = 0
TRAIN_ROWS, TEST_ROWS = 400, 64

SYSTEM_PROMPT = "Write the order as JSON with the keys name, item, quantity, time (24 h)."

TRAIN_NAMES = [
    "Aisha", "Anders", "Bella", "Boris", "Carlos", "Chloe", "Dario", "Diana", "Elias", "Emma",
    "Farid", "Fiona", "George", "Greta", "Hana", "Hugo", "Ines", "Ivan", "Jonas", "Julia", "Karim",
    "Kate", "Liam", "Lucia", "Marco", "Maya", "Nadia", "Noah", "Olga", "Omar", "Paula", "Peter",
    "Rosa", "Ryan", "Sara", "Stefan", "Tara", "Tom", "Vera", "Viktor", "Wanda", "Will", "Yusuf",
    "Zoe",
]  # fmt: skip
TEST_NAMES = [
    "Alice", "Bruno", "Clara", "Dmitri", "Elena", "Felix", "Gina", "Henry", "Irene", "Jack",
    "Leila", "Martin", "Nina", "Oscar", "Priya", "Ravi", "Sofia", "Theo", "Uma", "Victor",
]  # fmt: skip

TRAIN_ITEMS = [
    "almond croissant", "apple tart", "banana muffin", "black coffee", "blueberry scone", "brownie",
    "cappuccino", "cheese bagel", "chicken sandwich", "chocolate cookie", "cinnamon roll",
    "club sandwich", "egg wrap", "espresso", "flat white", "fruit salad", "garlic baguette",
    "ginger tea", "green salad", "green tea", "ham panini", "hot chocolate", "iced coffee", "latte",
    "lemon tart", "mango smoothie", "mushroom soup", "oat cookie", "onion soup", "orange juice",
    "peanut bar", "pear cake", "plain bagel", "pumpkin muffin", "salmon bagel", "soy latte",
    "tuna wrap", "vanilla shake", "veggie burger", "walnut brownie",
]  # fmt: skip
TEST_ITEMS = [
    "apple juice", "banana smoothie", "carrot cake", "cheese scone", "cherry tart", "chicken wrap",
    "chocolate muffin", "egg sandwich", "herbal tea", "iced latte", "lentil soup", "mocha",
    "oat latte", "plain croissant", "salmon sandwich", "strawberry shake", "tomato soup",
    "turkey panini", "veggie wrap", "walnut bar",
]  # fmt: skip

# Each has {order}, {time} and {name} once; {time} follows "at" or "for".
TRAIN_PHRASINGS = [
    "Hi, this is {name}. Could I get {order} for {time}?",
    "{order}, please. I will pick up at {time}. My name is {name}.",
    "Hello! {name} here, I would like {order} at {time}.",
    "Can you have {order} ready at {time}? It's for {name}.",
    "Put me down for {order}, I'll be there at {time}. Cheers, {name}",
    "Order for {name}: {order}. Pickup at {time}.",
    "Good morning, I need {order} for {time}. The name is {name}, thank you.",
    "At {time} I'm coming by for {order}. - {name}",
    "Hey, could you make {order} for {name}? I'm there at {time}.",
    "I'd like to order {order}, to go, at {time}. {name}",
    "{name} would like {order}, ready at {time} if possible.",
    "Is it possible to get {order} at {time}? Best, {name}",
    "For {time}, please prepare {order}. Thanks, {name}.",
    "It's {name} from next door. We want {order} at {time}.",
]
TEST_PHRASINGS = [
    "Hello, {name} speaking. Please set aside {order}, I'll come at {time}.",
    "I want {order}. Collecting at {time}, under the name {name}.",
    "My name is {name} and I'd love {order} for {time}.",
    "Could {order} be ready at {time}? {name} will pick up.",
    "Please reserve {order} for {name}, at {time}. Thank you!",
    "See you at {time}! I'll have {order}. Regards, {name}",
]

NUMBER_WORDS = ["two", "three", "four", "five", "six", "seven", "eight", "nine"]

Row = dict[str, list[dict[str, str]]]


def say_order(item: str, quantity: int, source: random.Random) -> str:
    """A quantity and an item as a customer writes them: "an egg wrap", "three egg wraps"."""
    if quantity == 1:
        return source.choice(["one", "an" if item[0] in "aeiou" else "a"]) + f" {item}"
    plural = item + ("es" if item.endswith(("ch", "sh", "s")) else "s")
    return f"{source.choice([str(quantity), NUMBER_WORDS[quantity - 2]])} {plural}"


def say_time(hour: int, minute: int, source: random.Random) -> str:
    """A time of day, on a 12-hour clock with am or pm or on a 24-hour clock."""
    if (hour, minute) == (12, 0):
        return "noon"
    if source.random() < 0.3:
        return f"{hour}:{minute:02}"
    clock = f"{(hour - 1) % 12 + 1}" + (f":{minute:02}" if minute else "")
    return f"{clock} {'am' if hour < 12 else 'pm'}"


def draw_row(
    names: list[str], items: list[str], phrasings: list[str], source: random.Random
) -> Row:
    """One conversation: what the assistant is for, an order, and its record."""
    name, item = source.choice(names), source.choice(items)
    quantity = source.choice([1, 1, 2, 2, 3, 3, 4, 5, 6, 7, 8, 9])
    hour, minute = source.randrange(7, 19), source.choice([0, 0, 15, 30, 45])
    message = source.choice(phrasings).format(
        name=name, order=say_order(item, quantity, source), time=say_time(hour, minute, source)
    )
    record = {"name": name, "item": item, "quantity": quantity, "time": f"{hour:02}:{minute:02}"}
    return {
        "messages": [
            {"role": "system", "content": SYSTEM_PROMPT},
            {"role": "user", "content": message[0].upper() + message[1:]},
            {"role": "assistant", "content": json.dumps(record)},
        ]
    }


def main(folder: Path) -> None:
    """Draw both files."""
    source = random.Random(SEED)
    train = [draw_row(TRAIN_NAMES, TRAIN_ITEMS, TRAIN_PHRASINGS, source) for _ in range(TRAIN_ROWS)]
    test = [draw_row(TEST_NAMES, TEST_ITEMS, TEST_PHRASINGS, source) for _ in range(TEST_ROWS)]
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in {"train": train, "test": test}.items():
        lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        (folder / f"{name}.jsonl").write_text(lines, encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)
