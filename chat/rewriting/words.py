"""The words by which a question leans on the one before it, in English, German, Spanish and French. Pure data."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Language:
    """`openers` begin a question that goes on from another; the longest that fits is taken off."""

    openers: tuple[str, ...]
    asking: frozenset[str]  # question words
    helping: frozenset[str]  # verbs that open a question or follow its question word
    pointing: frozenset[str]  # words that stand for what was spoken of
    people: frozenset[str]  # those of them that stand for a person
    small: frozenset[str]  # articles, prepositions, conjunctions: nobody's subject
    before: frozenset[str]  # prepositions that open a phrase of place, time or kind
    empty: tuple[str, ...]  # phrases in which a pointing word points at nothing


def _language(openers: str, empty: str, **lists: str) -> Language:
    """Phrases are parted by bars, words by blanks."""
    words = {name: frozenset(text.split()) for name, text in lists.items()}
    return Language(openers=tuple(openers.split("|")), empty=tuple(empty.split("|")), **words)


ENGLISH = _language(
    openers="and what about|but what about|and how about|so what about|what about|how about|what if it is|what if|"
    "and|but|or|also|then|so|plus|ok and|okay and",
    asking="who whom whose what which when where why how",
    helping=(
        "is are was were be been do does did has have had can could may might must shall should will would "
        "isn't aren't wasn't don't doesn't didn't"
    ),
    pointing="it its they them their theirs he she him his her hers this that these those there one ones same",
    people="he she him his her hers",
    small=(
        "a an the of in on at by for from to with without as into onto over under between among about after before "
        "during since until against along through per via and or but not no than then if because so very most more "
        "any some all each every other another such only just also too s"
    ),
    before="of in on at by for from to with without as during since until before after about under between",
    empty="is there|are there|was there|were there|it take|it takes|it took|it cost|it true that|it possible that|"
    "it true|it possible|it necessary|it allowed|it legal|it mean to|one of|one year|at the same time",
)
GERMAN = _language(
    openers="und was ist mit|und wie ist es mit|und wie steht es mit|und wie sieht es aus mit|was ist mit|"
    "wie ist es mit|wie steht es mit|wie sieht es aus mit|und|aber|oder|auch|dann|also",
    asking=(
        "wer wem wen wessen was welche welcher welches welchem welchen wann wo wohin woher warum wieso weshalb wie "
        "wieviel wieviele womit wodurch wofür worüber worin"
    ),
    helping=(
        "ist sind war waren wird werden wurde wurden hat haben hatte hatten kann können konnte darf dürfen muss müssen "
        "musste soll sollen sollte will tut"
    ),
    pointing=(
        "er sie es ihn ihm ihr ihre ihrer ihren ihrem ihnen sein seine seiner seinen seinem dies dieser diese dieses "
        "diesem diesen das dort da davon dafür damit darin darüber dazu dessen deren denen jener jene jenes derselbe "
        "dieselbe dasselbe"
    ),
    people="er ihn ihm",
    small=(
        "der die das den dem des ein eine einer eines einem einen von vom in im an am auf aus bei beim für gegen mit "
        "nach ohne über um unter vor zu zum zur zwischen und oder aber nicht als wenn weil so sehr man sich viel viele"
    ),
    before="in im an am auf aus bei für gegen mit nach ohne über um unter vor zu zum zur zwischen seit bis",
    empty="gibt es|es gibt|ist es möglich|ist es erlaubt|dauert es|das heißt",
)
SPANISH = _language(
    openers="y qué hay de|y qué pasa con|y qué tal|qué hay de|qué pasa con|qué tal|y|pero|o|también|entonces",
    asking="quién quiénes qué cuál cuáles cuándo cuando dónde donde adónde cómo cuánto cuánta cuántos cuántas",
    helping=(
        "es son era eran fue fueron está están estaba ha han había puede pueden podía debe deben hay tiene tienen será"
    ),
    pointing=(
        "él ella ellos ellas ello eso esto ese esa esos esas este esta estos estas su sus allí ahí aquello mismo misma"
    ),
    people="él ella ellos ellas",
    small=(
        "el la los las un una unos unas de del a al en con sin por para sobre entre hasta desde y e o u pero que si no "
        "se lo le les más muy como"
    ),
    before="de del a al en con sin por para sobre entre hasta desde",
    empty="es decir|por eso|este año|esta semana",
)
FRENCH = _language(
    openers="et qu'en est-il de|et qu'en est-il des|et qu'en est-il du|qu'en est-il de|qu'en est-il des|"
    "qu'en est-il du|et que dire de|et|mais|ou|aussi|alors|donc",
    asking="qui que quoi quel quelle quels quelles quand où pourquoi comment combien lequel laquelle",
    helping=(
        "est sont était étaient fut furent sera a ont avait avaient peut peuvent doit doivent faut est-ce est-il "
        "est-elle sont-ils sont-elles"
    ),
    pointing=(
        "il elle ils elles lui eux leur leurs son sa ses ce cela ça ceci cette ces cet celui-ci celle-ci là-bas y"
    ),
    people="il elle lui",
    small=(
        "le la les l un une des de du d à au aux en dans sur sous pour par avec sans entre et ou mais ne pas que se "
        "plus très chez"
    ),
    before="de du des à au aux en dans sur sous pour par avec sans entre chez depuis",
    empty="il y a|y a-t-il|faut-il|est-ce que|est-ce qu'il|qu'est-ce que|il faut|qui est-ce",
)
LANGUAGES = (ENGLISH, GERMAN, SPANISH, FRENCH)
