"""Guess how the letters of a text are encoded, by how likely the text would be that each encoding makes of them."""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from functools import lru_cache

SAMPLE_BYTES = 24_000
# The letters of each language outside ASCII, the frequent ones first; of Chinese, Japanese and Korean the commonest.
_ALPHABETS = {
    "german": "üäößÄÜÖ",
    "french": "éèàêçùûôîâëœïÉÀÊÇÔæÈ",
    "spanish": "óíáéñúü¿¡ÁÉÓÍÑÚ",
    "portuguese": "ãçáéíóêúâõàôÉÁÃÍÓ",
    "italian": "èàùòìéÈÀ",
    "nordic": "äöåøæéÅÖÄØÆðþáíóúýÞÍÁ",
    "dutch": "ëéèïöüáó",
    "polish": "ąęłóżśćńźŁŚŻĆÓŹ",
    "czech": "íáéěřýčžšůúťóňďČŘŠŽÚÁľĺŕôäŤĎ",
    "hungarian": "áéöóőüíúűÁÉÖŐÍÚÜ",
    "romanian": "ăîâșțşţÎȘȚŞŢ",
    "croatian": "čšžćđŽŠČĆĐ",
    "turkish": "ıüşğöçİŞÖÇÜĞâî",
    "lithuanian": "ėšąžįųčūęŠŽČĖĮ",
    "latvian": "āēīšļūņžķčģĀŠĒĪŅĢ",
    "estonian": "äõüöÕÄÜÖšž",
    "russian": "оеаинтсрвлкмдпуяыьгзбчйхжшюцщэфъёОЕАИНТСРВЛКМДПУЯГЗБЧХЖШЮЦЩЭФЫЬЁЙЪ",
    "ukrainian": "оанівиертскдлмпуязбьгчйхжїцшюєщфґОАНІВИЕРТСКДЛМПУЯЗБГЧЙХЖЇЦШЮЄЩФ’",
    "greek": "αοιετσνηυρπκμλςωδγχθφβόίάήέώύξζψΑΟΙΕΤΣΝΗΥΡΠΚΜΛΩΔΓΧΘΦΒΈΌΆΊΉΎΏΞΖΨϊΐϋΰ",
    "hebrew": "יוהלאתרבםשמנכדחעקצפטגזןסךףץ",
    "arabic": "الينمتروةبعدهسفكقحجأشصطخضىزثإذءئغظآؤ،؛؟ًٌٍَُِّْپچژگکی",
    "thai": "านรอกเงมยลวดทสตะปบคหแจพชขใไโผซถณศธภษญฉฐฎฆฏฬฮฟฝฒฌ่้ัิีุู็์ำๆึื๊๋ฯ",
    "simplified": "的一是不了在人有我他这个们中来上大为和国地到以说时要就出会可也你对生能而子那得于着下自之年过发后作里"
    "用道行所然家种事成方多经么去法学如都同现当没动面起看定天分还进好小部其些主样理心她本前开但因只从想实"
    "日军者意无力它与长把机十民第公此已工使情明性知全三又关点正业外将两高间由问很最重并物手应战向头文体政"
    "美相见被利什二等产或新己制身果加西斯月话合回特代内信表化老给世位次度门任常先海通教儿原东声提立及比员"
    "解水名真论处走义各入几口认条平系气题活尔更别打女变四神总何电数安少报才结反受目太量再感建务做接必场件"
    "计管期市直德资命山金指克许统区保至队形社便空决治展马科司五基眼书非则听白却界达光放强即像难且权思王象"
    "完设式色路记南品住告类求据程北边死张该交规万取拉格望觉术领共确传师观清今切院让识候带导争运请须假支付"
    "按照标准申享每",
    "traditional": "的一是不了在人有我他這個們中來上大為和國地到以說時要就出會可也你對生能而子那得於"
    "著下自之年過發後作裡"
    "用道行所然家種事成方多經麼去法學如都同現當沒動面起看定天分還進好小部其些主樣理心她本前開但因只從想實"
    "日軍者意無力它與長把機十民第公此已工使情明性知全三又關點正業外將兩高間由問很最重並物手應戰向頭文體政"
    "美相見被利什二等產或新己制身果加西斯月話合回特代內信表化老給世位次度門任常先海通教兒原東聲提立及比員"
    "解水名真論處走義各入幾口認條平系氣題活爾更別打女變四神總何電數安少報才結反受目太量再感建務做接必場件"
    "計管期市直德資命山金指克許統區保至隊形社便空決治展馬科司五基眼書非則聽白卻界達光放強即像難且權思王象"
    "完設式色路記南品住告類求據程北邊死張該交規萬取拉格望覺術領共確傳師觀清今切院讓識候帶導爭運請須假支付"
    "按照標準申享每",
    "japanese": "のにはをたがでてとしれさいるなかもらりこあっまよすくそうだせおけどんえつめみわきちやじべばげびごずぜ"
    "ょゅゃろ、。ーンスルトラリアイクシレタコドフロマムメジテナサニカバプグデビウツチパブキオエセモノヤポ"
    "ベダガギザッャュョ・「」日一国会人年大十二本中長出三同時政事自行社見月分議後前民生連五発間対上部東者"
    "党地合市業内相方四定今回新場金員九入選立開手力学問高代明実円関決子動全目表戦経通外最言現理調体化当八"
    "六約主題下首意法不来作性的要用制治度務強気小七成期公取都和統以機平総加山思家話世受区多続進正安設保改"
    "数記院女初北指権心界支第産結点教報済書活原先共得解名交資予向際面告文反元重近考判認海参利組知案道信集"
    "在件別物任使求所次水品論計感特情示変私各始直両確提運終果台広容必応電住争能無再位置真有口過少放料状工"
    "建語空職証給可付切由説比難何態備配条例労形従契休暇更残払",
    "korean": "이다는에의고을하가지은를로한기사도어리자시인대해서일과그정나아전수들제부보소상스장주와조라적있간공면"
    "원구당비었선성동여국게신것유만등위중년학으안연경요실생관업행권분방계화문민물모우미무진말않없세못체통"
    "금식또후재교개며할내회발된불르때두트러김받현용치까습니합됩급월명휴직변초근및려야",
}
_LATIN = tuple(name for name in list(_ALPHABETS)[:16])
_WESTERN = ("german", "french", "spanish", "portuguese", "italian", "nordic", "dutch", "estonian")
_CENTRAL = ("polish", "czech", "hungarian", "romanian", "croatian", "german")
_CYRILLIC = ("russian", "ukrainian")
_WIDE = ("utf-16-le", "utf-16-be")
# Encodings, and the languages that are written in them; of two that do equally well the first is meant.
_ENCODINGS: dict[str, tuple[str, ...]] = {
    "cp1252": _WESTERN,
    "iso8859-15": _WESTERN,
    "cp1250": _CENTRAL,
    "iso8859-2": _CENTRAL,
    "cp1251": _CYRILLIC,
    "koi8-u": _CYRILLIC,
    "koi8-r": _CYRILLIC,
    "cp866": _CYRILLIC,
    "iso8859-5": _CYRILLIC,
    "mac_cyrillic": _CYRILLIC,
    "cp1253": ("greek",),
    "iso8859-7": ("greek",),
    "cp1254": ("turkish",),
    "cp1255": ("hebrew",),
    "cp1256": ("arabic",),
    "iso8859-6": ("arabic",),
    "cp1257": ("lithuanian", "latvian", "estonian"),
    "cp874": ("thai",),
    "mac_roman": _WESTERN,
    "cp850": _WESTERN,
    "cp852": _CENTRAL,
    "cp932": ("japanese",),
    "euc_jp": ("japanese",),
    "gb18030": ("simplified", "traditional"),
    "big5hkscs": ("traditional",),
    "cp949": ("korean",),
    **dict.fromkeys(_WIDE, tuple(_ALPHABETS)),
}
_TYPOGRAPHY = frozenset("“”„‚‘’–—…•«»‹›°§€£©®™½¼²³×·ºª\u00a0、。，；：？！（）「」《》・～％　“”؛،؟·¿¡")
_TYPOGRAPHY_COST, _FOREIGN_COST, _RARE_COST, _BROKEN_COST = 5.0, 9.0, 8.0, 15.0
_MISPLACED_COST = 6.0  # a letter of another script, or a sign, within a word; a capital after a small letter
_MEAN_MOST = 6.5  # of a letter's cost, for a guess to be a sure one
_MARGIN_LEAST = 0.6  # between the best and the next, for each foreign letter
_LETTERS_LEAST = 12  # foreign ones, for a guess to be a sure one

_CJK = "\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af"
_MISPLACED = [
    re.compile(r"(?<=[a-z])[Ѐ-ӿͰ-Ͽ֐-ۿ฀-๿" + _CJK + r"]|[Ѐ-ӿͰ-Ͽ֐-ۿ฀-๿" + _CJK + r"](?=[a-z])"),
    re.compile(r"(?<=[^\W\d_])[^\w\s\x00-\x7f’‘\u00ad\u00a0·](?=[^\W\d_" + _CJK + r"])"),
]
_FOREIGN = re.compile(r"[^\x00-\x7f]+")
_ESCAPES = (b"\x1b$B", b"\x1b$@", b"\x1b(J")


def guess(data: bytes) -> tuple[str, bool]:
    """The likeliest encoding of bytes that are no UTF-8, and whether hardly another one comes into question.

    >>> guess("Об изменении договора необходимо сообщить заранее.".encode("koi8-r"))
    ('koi8-u', True)
    """
    if any(escape in data for escape in _ESCAPES):
        return "iso2022_jp_ext", True
    sample = _around_foreign(data)
    ranked = sorted(_candidates(sample), key=lambda found: found[0])
    if not ranked:
        return "cp1252", False
    cost, encoding, text = ranked[0]
    letters = max(1, sum(map(len, _FOREIGN.findall(text))))
    other = next((each for each in ranked if each[2] != text), None)
    margin = (other[0] - cost) / letters if other else math.inf
    enough = letters >= _LETTERS_LEAST or encoding in _WIDE
    return encoding, enough and cost / letters <= _MEAN_MOST and margin >= _MARGIN_LEAST


def wide_encoding(data: bytes) -> str:
    """Which kind of UTF-16 the bytes are, if they are any; "" otherwise. Meant for files without a mark of it."""
    costs = {}
    for encoding in _WIDE:
        text = _decoded(data[:SAMPLE_BYTES], encoding)
        if text:
            costs[encoding] = _cost(text, _ENCODINGS[encoding]) / len(text)
    best = min(costs, key=costs.__getitem__, default="")
    return best if best and costs[best] <= _MEAN_MOST else ""


def _candidates(sample: bytes) -> Iterator[tuple[float, str, str]]:
    for encoding, languages in _ENCODINGS.items():
        if encoding in _WIDE and len(sample) < 2:
            continue
        text = _decoded(sample, encoding)
        if text:
            yield _cost(text, languages), encoding, text


def _decoded(sample: bytes, encoding: str) -> str:
    """The sample as text; "" when it is none in this encoding. It may begin and end within a letter."""
    text = sample.decode(encoding, "replace")
    inner = text[2:-2] if len(text) > 8 else text
    return text.strip("\ufffd") if "\ufffd" not in inner else ""


def _cost(text: str, languages: tuple[str, ...]) -> float:
    """How unlikely the text is in the likeliest of the languages; ASCII costs nothing."""
    counts = Counter(text)
    controls = sum(count for letter, count in counts.items() if letter < " " and letter not in "\t\n\r\f\x1b")
    foreign = {letter: count for letter, count in counts.items() if letter > "\x7f"}
    least = min(
        sum(count * _letter_cost(letter, language) for letter, count in foreign.items()) for language in languages
    )
    misplaced = sum(len(pattern.findall(text)) for pattern in _MISPLACED) + _late_capitals(text)
    return least + controls * _BROKEN_COST + misplaced * _MISPLACED_COST


@lru_cache(maxsize=100_000)
def _letter_cost(letter: str, language: str) -> float:
    rank = _ALPHABETS[language].find(letter)
    if rank >= 0:
        return 2.0 + (min(rank, 60) * 0.05 if language not in _LATIN else rank * 0.1)
    if letter in _TYPOGRAPHY:
        return _TYPOGRAPHY_COST
    kind = unicodedata.category(letter)
    if kind in ("Cc", "Cn", "Co", "Cs"):
        return _BROKEN_COST
    is_cjk = "\u3040" <= letter <= "\ud7af"
    if is_cjk and language in ("simplified", "traditional", "japanese", "korean"):
        return _RARE_COST
    return _FOREIGN_COST + 2.0 * is_cjk


def _late_capitals(text: str) -> int:
    """Capitals outside ASCII that follow a small letter."""
    return sum(
        1
        for match in re.finditer(r"[^\W\d_](?=[^\x00-\x7f])", text)
        if match[0].islower() and text[match.end()].isupper()
    )


def _around_foreign(data: bytes) -> bytes:
    """A part of the file that has letters outside ASCII: reading all of a long one would be slow."""
    first = re.search(rb"[\x80-\xff]", data)
    start = max(0, (first.start() if first else 0) - SAMPLE_BYTES // 4) & ~1
    return data[start : start + SAMPLE_BYTES]
