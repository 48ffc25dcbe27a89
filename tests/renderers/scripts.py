# ruff: noqa: RUF001
"""The scripts in living use (Unicode Standard Annex 31, tables 5 and 7), with a text in each."""

from typing import Final, NamedTuple


class Script(NamedTuple):
    """The prefix of its character names, and a text in the script."""

    prefixes: tuple[str, ...]
    text: str


RECOMMENDED: Final = {
    "Arabic": Script(("ARABIC LETTER",), "محمد"),
    "Armenian": Script(("ARMENIAN",), "Հակոբյան"),
    "Bengali": Script(("BENGALI",), "ফাতেমা"),
    "Bopomofo": Script(("BOPOMOFO",), "ㄅㄆㄇ"),
    "Cyrillic": Script(("CYRILLIC",), "Иванова"),
    "Devanagari": Script(("DEVANAGARI",), "प्रिया"),
    "Ethiopic": Script(("ETHIOPIC",), "አበበ"),
    "Georgian": Script(("GEORGIAN",), "გიორგი"),
    "Greek": Script(("GREEK",), "Γιώργος"),
    "Gujarati": Script(("GUJARATI",), "નીતા"),
    "Gurmukhi": Script(("GURMUKHI",), "ਗੁਰਪ੍ਰੀਤ"),
    "Hangul": Script(("HANGUL",), "김민준"),
    "Hebrew": Script(("HEBREW",), "שרה"),
    "Hiragana": Script(("HIRAGANA LETTER",), "たなか"),
    "Kannada": Script(("KANNADA",), "ಅನನ್ಯ ರಾವ್"),
    "Katakana": Script(("KATAKANA LETTER",), "タナカ"),
    "Khmer": Script(("KHMER",), "សុខា"),
    "Lao": Script(("LAO",), "ຄຳພອນ"),
    "Latin": Script(("LATIN",), "Nguyễn Łukasz"),
    "Malayalam": Script(("MALAYALAM",), "ആദിത്യ നായർ"),
    "Myanmar": Script(("MYANMAR",), "ကျော်"),
    "Oriya": Script(("ORIYA",), "ଓଡ଼ିଆ ସୁଭାଷ"),
    "Sinhala": Script(("SINHALA",), "ශ්‍රී ලංකා"),
    "Tamil": Script(("TAMIL",), "முருகன்"),
    "Telugu": Script(("TELUGU",), "వెంకట"),
    "Thaana": Script(("THAANA",), "އިބްރާހީމް"),
    "Thai": Script(("THAI",), "สมชาย"),
    "Tibetan": Script(("TIBETAN",), "བསྟན་འཛིན་"),
}
LIMITED_USE: Final = {
    "Adlam": Script(("ADLAM",), "𞤀𞤣𞤤𞤢𞤥"),
    "Balinese": Script(("BALINESE",), "ᬅᬓ᭄ᬱᬭᬩᬮᬶ"),
    "Bamum": Script(("BAMUM",), "ꚠꚡꚢ"),
    "Batak": Script(("BATAK",), "ᯅᯖᯂ᯲"),
    "Canadian Aboriginal": Script(("CANADIAN SYLLABICS",), "ᐃᓄᒃᑎᑐᑦ"),
    "Chakma": Script(("CHAKMA",), "𑄌𑄋𑄴𑄟𑄳𑄦"),
    "Cham": Script(("CHAM ",), "ꨌꩌ"),
    "Cherokee": Script(("CHEROKEE",), "ᏣᎳᎩ ꮳꮃꭹ"),
    "Hanifi Rohingya": Script(("HANIFI ROHINGYA",), "𐴌𐴗𐴥"),
    "Javanese": Script(("JAVANESE",), "ꦲꦏ꧀ꦱꦫꦗꦮ"),
    "Kayah Li": Script(("KAYAH LI",), "ꤊꤢꤛꤢ"),
    "Lepcha": Script(("LEPCHA",), "ᰛᰩᰵ"),
    "Limbu": Script(("LIMBU",), "ᤕᤠᤰᤌᤢᤱ"),
    "Lisu": Script(("LISU",), "ꓡꓲ-ꓢꓴ"),
    "Mandaic": Script(("MANDAIC",), "ࡌࡀࡍࡃࡀ"),
    "Meetei Mayek": Script(("MEETEI MAYEK",), "ꯃꯤꯇꯩ"),
    "Miao": Script(("MIAO",), "𖼊𖽡"),
    "New Tai Lue": Script(("NEW TAI LUE",), "ᦟᦲᧅ"),
    "Newa": Script(("NEWA",), "𑐣𑐾𑐥𑐵𑐮"),
    "Nko": Script(("NKO",), "ߒߞߏ ߡߊ߬ߘߌ߬"),
    "Nyiakeng Puachue Hmong": Script(("NYIAKENG PUACHUE HMONG",), "𞄀𞄁𞄂"),
    "Ol Chiki": Script(("OL CHIKI",), "ᱥᱟᱱᱛᱟᱲᱤ"),
    "Osage": Script(("OSAGE",), "𐓏𐓘𐓻"),
    "Saurashtra": Script(("SAURASHTRA",), "ꢱꣃꢬꢵ"),
    "Sundanese": Script(("SUNDANESE",), "ᮞᮥᮔ᮪ᮓ"),
    "Syloti Nagri": Script(("SYLOTI NAGRI",), "ꠍꠤꠟꠐꠤ"),
    "Syriac": Script(("SYRIAC",), "ܣܘܪܝܝܐ"),
    "Tai Le": Script(("TAI LE",), "ᥖᥭᥰ"),
    "Tai Tham": Script(("TAI THAM",), "ᨲᩫ᩠ᩅᨾᩮᩬᩥᨦ"),
    "Tai Viet": Script(("TAI VIET",), "ꪼꪕ"),
    "Tifinagh": Script(("TIFINAGH",), "ⵜⵉⴼⵉⵏⴰⵖ"),
    "Vai": Script(("VAI",), "ꕙꔤ"),
    "Wancho": Script(("WANCHO",), "𞋒𞋀𞋉"),
    "Yi": Script(("YI ",), "ꆈꌠꁱꂷ"),
}
OTHERS: Final = {
    "Mongolian": Script(("MONGOLIAN",), "ᠮᠣᠩᠭᠣᠯ ᠪᠢᠴᠢᠭ"),
    "Pahawh Hmong": Script(("PAHAWH HMONG",), "𖬖𖬰𖬝"),
    "Tagalog": Script(("TAGALOG",), "ᜊᜌ᜔"),
    "Han of names": Script((), "𠮷野 㐂川 𡈽屋"),
}
"""Not in the tables, and yet in the names and texts of some districts."""
LIVING: Final = RECOMMENDED | LIMITED_USE
SIGNS: Final = (
    "→ ⇒ ↔ ⟶ ⬅",
    "✓ ✔ ✗ ✘ ☐ ☑ ☒",
    "• ‣ ● ○ ■ □ ◆ ▪ ➢",
    "★ ☆ ✦",
    "≤ ≥ ≠ ≈ ∞ √ ∑",
    "① ⑩ ⓐ Ⓐ ❶ ➊ ㊗ ㈠",
    "𝐁𝐨𝐥𝐝 𝒮𝒸 𝔉𝔯 𝟙𝟚 ℝ ℵ",
    "┌─┬─┐ ╔═╗ █▓▒░",
    "☎ ✉ ⚠ ☀ ♪ ♥ ⚀ ♔",
    "⠃⠗ 𝄞 🂡 🀄",
    "№ ℡ ™ ½ ⅓ Ⅳ ㎏ ₂ ⁿ",
    "🎉 🚌 🏫",
)
