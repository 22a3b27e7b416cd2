"""Both languages say the same things."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

from facefusion import errors, words
from facefusion.page import jobs, photos
from facefusion.page.photo_fields import NOBODY, OTHERS, YOU
from facefusion.perception.quality import Doubt
from facefusion.tiers import Tier, TierReason
from facefusion.types import Flaw, Kept
from facefusion.words import TEXTS, Language, gradio, language_of, say

ROOT = Path(__file__).resolve().parents[2]
KINDS = [
    kind
    for module in (errors, jobs, photos)
    for kind in vars(module).values()
    if inspect.isclass(kind) and issubclass(kind, errors.FusionError)
]


def test_every_text_is_in_both_languages() -> None:
    english, chinese = TEXTS[Language.ENGLISH], TEXTS[Language.CHINESE]
    assert english.keys() == chinese.keys()
    assert list(english) == list(chinese)
    assert [
        key
        for key, text in chinese.items()
        if key != "title" and not re.search("[\u4e00-\u9fff]", text)
    ] == []
    assert [key for key, text in english.items() if re.search("[\u3000-\u9fff]", text)] == []
    for texts in (english, chinese):
        assert all(text.strip() for text in texts.values())
        assert [key for key, text in texts.items() if set(text) & set('<>{}\\"')] == []


def test_what_is_a_sentence_ends_like_one() -> None:
    for language, stop in ((Language.ENGLISH, "."), (Language.CHINESE, "。")):
        for key, text in TEXTS[language].items():
            if key.endswith((".remedy", ".text")) or (
                not key.endswith(".name")
                and key.startswith(("doubt.", "note.", "ok.", "reason.", "flaw.", "pair."))
            ):
                assert text.endswith(stop), key


def test_no_word_is_missing_or_left_over() -> None:
    code = "\n".join(
        path.read_text(encoding="utf-8")
        for path in (
            *(ROOT / "facefusion").rglob("*.py"),
            *(ROOT / "facefusion").rglob("*.js"),
            ROOT / "app.py",
        )
        if path.parent.name != "words" or path.name == "__init__.py"
    )
    built = {f"{kind}.{name}" for kind, names in {
        "tier": list(Tier), "reason": list(TierReason),
        "doubt": [*Doubt, "several", "go_on", "same_way"], "consent": ["rights", "decent"],
        "need": ["source", "target", "other.source", "other.target", "person", "other.person", "faces", "consent"],
        "who": [NOBODY, YOU, *OTHERS],
        "match": ["strong", "clear", "some", "little"], "flaw": [*Flaw, "none"],
        "stays": list(Kept),
        "photo": ["source", "target"],
        "note": ["first_frame", "cut_short", "srgb", "unknown_profile", "transparent", "eight_bits"],
        "step": ["found", "mesh", "source_covered", "target_covered", "warped", "coarse", "mask", "refined", "blended"],
    }.items() for name in names}  # fmt: skip
    built |= {f"flaw.{name}.name" for name in (*Flaw, "none")}
    built |= {f"match.{name}.text" for name in ("strong", "clear", "some", "little")}
    built |= {f"error.{kind.code}{end}" for kind in KINDS for end in ("", ".remedy")}
    used = built | {
        key for key in TEXTS[Language.ENGLISH] if f'"{key}"' in code or f"'{key}'" in code
    }
    used |= {
        key
        for key in TEXTS[Language.ENGLISH]
        if key.endswith((".area", ".alt")) or key.startswith("stage.")
    }
    assert TEXTS[Language.ENGLISH].keys() - used == set()
    assert built - TEXTS[Language.ENGLISH].keys() == set()


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_refusals(kind: type[errors.FusionError]) -> None:
    error = kind("source", number=2)
    assert error.sentence(Language.ENGLISH) == str(error)
    assert error.sentence(Language.CHINESE).startswith("脸部照片 2 ")
    assert kind("target").sentence(Language.CHINESE) == (
        f"目标照片{say(f'error.{kind.code}', Language.CHINESE)}。{say(f'error.{kind.code}.remedy', Language.CHINESE)}"
    )


@pytest.mark.parametrize(
    ("accepted", "language"),
    [
        ("zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        ("zh-TW", "zh"),
        (" ZH-cn", "zh"),
        ("zh", "zh"),
        ("zh-HK", "zh"),
        ("zh-SG;q=0.9", "zh"),
        ("zh-Hans-SG,en", "zh"),
        ("zh-Hant-TW", "zh"),
        ("zha", "en"),
        ("en-US,zh-CN;q=0.5", "en"),
        ("de", "en"),
        ("", "en"),
        (None, "en"),
        ("*", "en"),
    ],
)
def test_the_browser_chooses_the_language(accepted: str | None, language: str) -> None:
    assert language_of(accepted) == language


def test_likeness_has_a_name() -> None:
    assert [words.grade(value) for value in (1, 0.7, 0.69, 0.55, 0.4, 0.39, -1)] == [
        "strong", "strong", "clear", "clear", "some", "little", "little",
    ]  # fmt: skip


def test_chinese_has_full_width_punctuation() -> None:
    western = re.compile(
        r"[\u4e00-\u9fff] ?[,:;!?]|[,:;!?] ?[\u4e00-\u9fff]|\.\.\.|\([^)]*[\u4e00-\u9fff]"
    )
    for texts in (
        TEXTS[Language.CHINESE],
        gradio.CHINESE,
        dict(enumerate(gradio.LITERALS.values())),
    ):
        assert [key for key, text in texts.items() if western.search(text)] == []
    joined = "<h3>脸 2. 相似度： 极佳</h3> 0.81 (1 表示相同)</p>画质： <strong>最佳</strong>, 因为有时间。 脸 3: 无法使用"
    assert words.punctuated(joined, Language.CHINESE) == (
        "<h3>脸 2：相似度：极佳</h3> 0.81（1 表示相同）</p>画质：<strong>最佳</strong>，因为有时间。脸 3：无法使用"
    )
    plain = "Face 2. Likeness: good (1 would be the same), chosen"
    assert words.punctuated(plain, Language.ENGLISH) == plain
