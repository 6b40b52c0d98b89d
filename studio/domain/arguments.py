"""Arguments: the options of TRL's seven commands and of `accelerate launch`, as the libraries declare them."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from studio.domain.errors import StudioError

# The alternatives of which an argument's type is made. "mapping" is a YAML mapping (JSON text as a flag), "datasets"
# TRL's list of dataset configurations.
ATOMS = ("text", "integer", "number", "boolean", "mapping", "list[text]", "list[number]", "datasets")

CATALOG_FORMAT = 7


@dataclass(frozen=True)
class Flag:
    """How TRL's parser reads an argument from the command line.

    `reads` is the converter (`text`, `integer`, `number`, `boolean`, `choice`, or `nothing` where the parser cannot
    read any value), `many` whether it takes one or more values, `bare` whether `--name` alone means true,
    `negation` the `--no_name` twin where there is one, and `null_words` whether `None` and `null` are read as null.
    """

    reads: str = "text"
    many: bool = False
    bare: bool = False
    negation: str | None = None
    null_words: bool = False


@dataclass(frozen=True)
class Argument:
    """One option of a method, as TRL declares it.

    `types` are the alternatives (ATOMS) its YAML value may have; `optional` says whether null is one. `default` is
    what the dataclass declares, `effective_default` what it becomes once TRL has built its config. `fields` is empty
    but for `datasets`, where it names the keys of one entry. `json_text` says that the config class turns JSON text
    into a mapping. `deprecation` is the sentence of the help that says so, or empty.
    """

    name: str
    types: tuple[str, ...]
    optional: bool
    default: Any
    effective_default: Any
    choices: tuple[Any, ...]
    help: str
    owner: str
    flag: Flag = Flag()
    deprecation: str = ""
    fields: tuple[str, ...] = ()
    json_text: bool = False
    required: bool = False

    @property
    def type(self) -> str:
        """The type in words: alternatives joined by `|`, with `null` last where allowed."""
        return " | ".join((*self.types, *(("null",) if self.optional else ())))

    def to_json(self) -> dict[str, Any]:
        """The documented form of `trl-studio arguments --json`."""
        return {
            "name": self.name,
            "type": self.type,
            "types": list(self.types),
            "optional": self.optional,
            "default": self.default,
            "effective_default": self.effective_default,
            "choices": list(self.choices) or None,
            "help": self.help,
            "owner": self.owner,
            "deprecation": self.deprecation or None,
            "required": self.required,
            "flag": vars(self.flag),
            "fields": list(self.fields),
            "json_text": self.json_text,
        }

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> Argument:
        return cls(
            name=row["name"],
            types=tuple(row["types"]),
            optional=row["optional"],
            default=row["default"],
            effective_default=row["effective_default"],
            choices=tuple(row["choices"] or ()),
            help=row["help"],
            owner=row["owner"],
            flag=Flag(**row["flag"]),
            deprecation=row["deprecation"] or "",
            fields=tuple(row["fields"]),
            json_text=row["json_text"],
            required=row["required"],
        )


@dataclass(frozen=True)
class Catalog:
    """All arguments of one set of installed versions.

    `methods` maps a method's name to its arguments by name, `launch` holds accelerate's options that take a value and
    `flags` those that take none (they cannot stand in a YAML), `profiles` the accelerate profiles that TRL bundles,
    as YAML text, and `versions` what was listed. `lora_targets` says which modules PEFT adapts by itself, by model
    type: names, or a pattern, and `processors` of which model types transformers reads more than text.
    """

    methods: Mapping[str, Mapping[str, Argument]]
    launch: Mapping[str, Argument]
    flags: Mapping[str, Argument]
    profiles: Mapping[str, str]
    versions: Mapping[str, str]
    lora_targets: Mapping[str, str | tuple[str, ...]] = field(default_factory=dict)
    processors: frozenset[str] = frozenset()

    def of(self, method: str) -> Mapping[str, Argument]:
        """The arguments of `method`, by name. Raises StudioError for a method that TRL does not have."""
        try:
            return self.methods[method]
        except KeyError:
            raise StudioError(f"There is no method '{method}'.", f"Choose one of {', '.join(self.methods)}.") from None

    def nearest(self, method: str, key: str, limit: int = 3) -> list[str]:
        """The names closest to a key that nothing takes, best first."""
        plain = key.strip("-").replace("-", "_").lower()
        names = [*self.of(method), *self.launch, *self.flags, "env", "accelerate_config"]
        close = difflib.get_close_matches(plain, names, n=limit, cutoff=0.7)
        if len(plain) >= 4:
            close += [name for name in names if plain in name and name not in close]
        return close[:limit]

    def to_json(self) -> dict[str, Any]:
        return {
            "format": CATALOG_FORMAT,
            "versions": dict(self.versions),
            "methods": {name: [a.to_json() for a in rows.values()] for name, rows in self.methods.items()},
            "launch": [a.to_json() for a in self.launch.values()],
            "flags": [a.to_json() for a in self.flags.values()],
            "profiles": dict(self.profiles),
            "lora_targets": dict(self.lora_targets),
            "processors": sorted(self.processors),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Catalog:
        """Raises KeyError, TypeError or ValueError where `data` is no catalogue of this format."""
        if data["format"] != CATALOG_FORMAT:
            raise ValueError(f"catalogue format {data['format']}, not {CATALOG_FORMAT}")

        def by_name(rows: list[Mapping[str, Any]]) -> dict[str, Argument]:
            return {row["name"]: Argument.from_json(row) for row in rows}

        return cls(
            methods={name: by_name(rows) for name, rows in data["methods"].items()},
            launch=by_name(data["launch"]),
            flags=by_name(data["flags"]),
            profiles=dict(data["profiles"]),
            versions=dict(data["versions"]),
            lora_targets={
                kind: targets if isinstance(targets, str) else tuple(targets)
                for kind, targets in data["lora_targets"].items()
            },
            processors=frozenset(data["processors"]),
        )
