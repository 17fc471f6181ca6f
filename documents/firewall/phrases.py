"""How a text speaks that is meant for a language model: orders, and the words each of them opens with.

A phrase is only looked at where its opening word stands, and every gap in it is short, so that a text of any kind is
read in linear time. Patterns are matched against lower case.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

IGNORE = "tells a language model to ignore what it was told"
ADDRESS = "is addressed to a language model"
ROLE = "gives a language model another part to play"
REVEAL = "asks a language model for its own instructions"
CONCEAL = "asks a language model to keep something from the reader"
DICTATE = "dictates the answer of a language model"
SEND = "asks a language model to send something out"

GAP = r"[^\w.!?…]{1,6}"


@dataclass(frozen=True)
class Phrase:
    """`pattern` begins at one of the opening words; an order must also stand where an order can begin."""

    openings: frozenset[str]
    pattern: re.Pattern[str]
    reason: str
    is_order: bool = False


def phrase(reason: str, pattern: str, *, is_order: bool = False) -> Phrase:
    """A blank in the pattern is a gap between two words; its first group is the choice of words it opens with.

    >>> sorted(phrase("", "(?:stop|do not) following").openings)
    ['do', 'stop']
    """
    first = pattern[3 : pattern.index(")")]
    openings = frozenset(re.split(r"[\W_]", word, maxsplit=1)[0] for word in first.split("|"))
    return Phrase(openings, re.compile(pattern.replace(" ", GAP)), reason, is_order)


PERSON = (
    r"(?![\s-]+(?:act|assisted|based|board|committee|compan|deploy|develop|driven|enabled|engineer|"
    r"enthusiast|ethic|expert|generat|lab|law|literac|office|"
    r"operator|polic|powered|professional|provider|regulat|research|specialist|start|strateg|supplier|team|"
    r"user|vendor|work))"
)
MODEL = (
    r"(?:(?:large )?language model|artificial intelligence|a\.i\.|ai|llm|(?:chat)?gpt|chatbot)"
    rf"(?:[\s-]?\d\w*)?s?\b{PERSON}(?:[\s-](?:language )?(?:assistant|model|system|agent|chatbot|reviewer|"
    rf"reader|tool)s?\b)?{PERSON}"
)
A = r"(?: (?:a|an|the|any|all|every|this|each|whichever))?"
TOLD = (
    r"(?:instruction|prompt|direction|directive|rule|guideline|command|order|guidance|constraint|restriction|safeguard|"
    r"programming|message|training|context)s?\b"
)
ALL = r"(?: (?:about|all|any|every|each|of|the|your|my|our|these|those|other|single|and|or|whatever)){0,5}"
BEFORE = r"(?:previous|previously|prior|above|preceding|earlier|foregoing|past|former|existing)"
OWN = (
    r"(?:initial|original|system|developer|safety|default|hidden|internal|content|current|core|given|ethical|security)"
)
GIVEN = (
    r"(?: that)?(?: (?:above|preceding this|before this|prior to this|that (?:came|come|precede)|so far|up "
    r"to now|until now)\b"
    r"| (?:which|that )?you(?: (?:were|have been|had been|ve been|received|got|have)) ?(?:given|told|taught|received)?"
    r"| (?:were )?(?:given|provided|stated|written)(?: to you)?(?: (?:above|before|earlier|so far|previously))"
    r"| given to you)"
)
# "Disregard the previous instructions on page 4" is for people; what is left of a conversation is not.
ON = (
    r"(?! (?:in|on|regarding|concerning|about|relating|for|from|issued|dated|contained|set|published|sent|printed|with|"
    r"concerned|posted)\b(?! (?:this|the|your|our)? ?(?:conversation|chat|prompt|context|session|system|"
    r"developers?|user)\b))"
)
VERB = (
    r"(?:ignore|disregard|forget|override|bypass|discard|neglect|overrule|abandon|dismiss|stop following|stop obeying|"
    r"do not follow|do not obey|don't follow|don't obey|pay no attention to|set aside|never follow)"
)
TELL = r"(?:tell|inform|alert|warn|notify)"
ASKER = r"(?:users?|humans?|readers?|asker|person who asks)"
WRITE = r"(?:say|answer|respond|reply|output|print|write|tell|claim|state|recommend|conclude|pretend|praise|approve)"
ANSWER = r"(?:answers?|responses?|reply|replies|outputs?|summary|summaries)"
ROLES = r"(?:system|developer|admin|ai|assistant|user|human)"
ORDERS = (
    r"(?:ignore|disregard|forget|override|from now on|new instructions|pretend|act as|reveal|"
    r"(?:do not|don't|never) (?:reveal|mention|tell|cite|disclose|follow)|"
    r"always (?:answer|say|respond|reply|recommend|begin|end|mention)|the (?:assistant|ai|model) (?:must|"
    r"should|will|shall)|"
    r"(?:respond|reply|answer|output|say) (?:only|that|with|in|as|exactly)|you are (?:now|an|a|no longer)\b|"
    r"you (?:must|should|will|shall) (?:now )?(?:answer|respond|reply|ignore|say|always|never|not|recommend|"
    r"obey|output|tell))"
)

ENGLISH = [
    phrase(IGNORE, rf"{VERB}{ALL} {BEFORE}(?:(?: and| or|,)? {BEFORE})?(?: {OWN})?(?: \w+)? {TOLD}{ON}", is_order=True),
    phrase(IGNORE, rf"{VERB}{ALL} {TOLD}{GIVEN}{ON}", is_order=True),
    phrase(
        IGNORE,
        rf"{VERB}{ALL} your(?: (?:own|{OWN[3:-1]})){{0,6}} (?:{TOLD}|polic(?:y|ies)|filters?|protocols?)(?! "
        rf"(?:on|about|regarding)\b)",
        is_order=True,
    ),
    phrase(IGNORE, rf"{VERB}{ALL} system (?:prompts?|instructions?)\b", is_order=True),
    phrase(
        IGNORE,
        rf"{VERB}(?: (?:all|everything|anything|what|whatever))(?: of)?(?: (?:else|that|which|is|was|text|"
        rf"the)){{0,6}}"
        r"(?: (?:above|before this|so far|up to (?:now|this|here)|(?:came|comes|went) before)\b| (?:said|"
        r"written|stated) (?:above|before)"
        rf"| you(?: (?:were|have been|had been|ve been))(?: previously)? (?:told|given|taught|asked|instructed)"
        r"(?=\s{0,3}(?:[.,;:!–—-]|$)| (?:and|before|so far|until|previously|earlier|by|up|to do)\b))",
        is_order=True,
    ),
    phrase(
        IGNORE,
        rf"{VERB} the (?:above|foregoing|preceding|previous|text above|content above) (?:and|then|text and) "
        rf"(?:instead )?{WRITE}\b",
        is_order=True,
    ),
    phrase(
        IGNORE,
        r"(?:ignore|disregard|discard) (?:the |this )?user(?:'?s)? (?:question|request|query|input|prompt|"
        r"instructions?)\b",
        is_order=True,
    ),
    phrase(
        IGNORE,
        rf"(?:previous|prior|earlier|above|preceding|old|original) {TOLD}(?: \w+){{0,2}}? no longer (?:apply|"
        rf"applies|binds?) (?:to )?you\b",
    ),
    phrase(ADDRESS, rf"(?:as) (?:a|an|the) {MODEL},? (?:do not|never|always|please|ignore|{WRITE[3:-1]})\b"),
    phrase(ADDRESS, rf"(?:for|to) (?:any|all|every|whichever) {MODEL}(?: \w+){{0,6}}?\s?:"),
    phrase(ADDRESS, r"(?:ai|llm|chatgpt|gpt|chatbot|prompt) (?:instruction|directive|command)s?\s?:"),
    phrase(ADDRESS, rf"(?:being) (?:read|processed|parsed|summari[sz]ed) by(?: an?| the| any)? {MODEL}"),
    phrase(ADDRESS, r"(?:begin|start|end|new|updated)(?: of)? system (?:prompt|instructions?)\b"),
    phrase(
        ADDRESS,
        rf"(?:as) (?:a|an|the) (?:\w+ )?{MODEL}(?: \w+){{0,3}}? you (?:must|should|have to|will|are|shall|"
        rf"need|may|can)\b",
    ),
    phrase(ADDRESS, rf"(?:if) (?:you are|you're|you happen to be)(?: (?:a|an|the|any))?(?: \w+)? {MODEL}"),
    phrase(
        ADDRESS,
        rf"(?:if|any|to|all){A} {MODEL}(?: (?:is|are|that|which|who))?(?: currently)? (?:reads?|reading|"
        rf"processes|processing|"
        r"summari[sz]es?|summari[sz]ing|parses|parsing|evaluates|evaluating) this\b",
    ),
    phrase(
        ADDRESS,
        r"(?:ai|llm|llms|language|large|chatgpt|chatbots)(?: \w+){0,3}? (?:reading|processing|"
        r"summari[sz]ing|parsing|evaluating) this\b",
    ),
    phrase(
        ADDRESS,
        rf"(?:attention|dear|hey|hello|hi|listen|warning|important|reminder)(?: (?:to|for))?{A} {MODEL}(?: "
        rf"\w+){{0,6}}?\s?[:,!–—-]",
    ),
    phrase(
        ADDRESS,
        rf"(?:note|notes|message|messages|instruction|instructions|notice|directive|command|request) (?:to|for){A} "
        rf"(?:{MODEL}|model|virtual assistant)(?: \w+){{0,6}}?\s?[:,!–—-]",
    ),
    phrase(
        ADDRESS,
        rf"(?:new|updated|real|actual|true|secret|hidden) instructions?(?: (?:for|to))(?: the| any)? "
        rf"(?:assistant|model|{MODEL})",
    ),
    phrase(
        ADDRESS,
        r"(?:your) (?:new|real|actual|true|updated|revised) (?:instructions?|directives?|system "
        r"prompt)\s?(?: (?:are|is)\b|:)",
    ),
    phrase(
        ROLE,
        r"(?:you are|you're|you will be|you become)(?: (?:now|no longer|henceforth|actually|from now "
        r"on))(?: (?:a|an|the|just|only)){0,6}"
        rf"(?: (?:dan\b|{MODEL})| \w+ {MODEL}| (?:\w+ ){{0,2}}?(?:unrestricted|unfiltered|uncensored|"
        rf"jailbroken|rogue|evil)\b"
        r"| (?:helpful )?(?:assistant|model) (?:but|that|with|without|named|called))",
    ),
    phrase(
        ROLE,
        rf"(?:you are|you're)(?: (?:a|an))?(?: (?:helpful|large|trained|unrestricted|powerful|honest|"
        rf"harmless)){{0,6}} {MODEL}",
        is_order=True,
    ),
    phrase(ROLE, r"(?:you are|you're) a helpful(?: \w+)? assistant\b"),
    phrase(
        ROLE,
        r"(?:from now on|from this point on|from this point forward|from here on|henceforth|for the rest of "
        r"this conversation)(?: you| the assistant| the "
        r"model)?(?: (?:will|must|shall|should|are to|only)){0,6}"
        r" (?:respond|reply|speak only|act as|behave as|pretend|say only|answers?(?: (?:as|every|all|any|each|only|"
        r"as|in|with)))\b",
    ),
    phrase(
        ROLE,
        r"(?:pretend|act as|act like|behave as|behave like|roleplay as|role-play as|imagine|simulate|"
        r"play)(?: (?:that|as|if|to be|you are|you're|you were|a|an|the|the role of)){0,6}"
        rf"(?: (?:dan\b|{MODEL})|(?: \w+)? (?:unrestricted|unfiltered|uncensored|jailbroken|evil) (?:\w+))",
        is_order=True,
    ),
    phrase(ROLE, r"(?:can|could) do anything now\b"),
    phrase(
        REVEAL, r"(?:what) (?:is|does|are|was|were) your (?:system|hidden|initial|secret) (?:prompt|instructions?)\b"
    ),
    phrase(
        REVEAL,
        r"(?:reveal|print|output|repeat|disclose|leak|show|tell|display|give|translate|explain|encode|spell|"
        r"expose|share|dump|return|quote|"
        r"recite|write)(?: (?:out|me|us)){0,6}"
        r" your(?: (?:full|entire|complete|own|exact)){0,6}(?: (?:system|developer|hidden|initial|original|"
        r"secret|internal|confidential|first)){1,6}"
        r"[\s-]?(?:prompts?|instructions?|messages?|rules|directives?)\b",
    ),
    phrase(
        REVEAL,
        r"(?:reveal|output|repeat|disclose|leak|dump|expose|quote|recite|print)(?: (?:out|me|us|"
        r"back)){0,6}(?: (?:the|this|your|full|entire|whole|complete)){0,6}"
        r" system (?:prompt|instructions)\b(?!\s*[\"'(<$#>:])",
        is_order=True,
    ),
    phrase(
        REVEAL,
        r"(?:repeat|print|output|recite|copy|reproduce)(?: (?:out|back|me)){0,6}(?: (?:everything|all of "
        r"the text|all the text|all text|the text|the words"
        r"|all the words|every word|the whole conversation|the conversation|your instructions))(?: (?:that "
        r"is|which is|written))? "
        r"(?:above|before this|so far|preceding this|verbatim|word for word)\b",
        is_order=True,
    ),
    phrase(
        CONCEAL,
        rf"(?:do not|don't|never|avoid|without)(?: ever)? {TELL}(?:ing)?(?: (?:the|any|your))? {ASKER}"
        r"(?: (?:about|of|that|anything|why)){0,6}"
        r"(?: (?:this|these|the above|you (?:were|have|are|received|read|saw))\b|\s*(?:[.!;]|$))",
    ),
    phrase(CONCEAL, rf"(?:do not|don't|never)(?: ever)? let(?: the| any)? {ASKER} (?:know|see|notice|find)\b"),
    phrase(
        CONCEAL,
        r"(?:keep|hide|conceal)(?: (?:this|these|the above|all of this))(?: (?:instruction|message|prompt|"
        r"text|note|command)s?)?"
        rf"(?: (?:secret|hidden|private|invisible))? from(?: the| any)? {ASKER}\b",
    ),
    phrase(
        CONCEAL,
        r"(?:do not|don't|never)(?: ever)? (?:mention|reveal|disclose|acknowledge|repeat|share|discuss|cite|quote|show)"
        r"(?: (?:that you (?:were|have been|are|received|have) (?:given|told|instructed|following|prompted|"
        r"received|read|an ai|using|asked)"
        r"|that this (?:text|message|note|instruction|prompt|paragraph|sentence)\b"
        rf"|(?:these|this|the above|your|any of these|any)(?: \w+)? (?:instructions?|prompts?|directives?|commands?)"
        rf"(?: to(?: the| any)? {ASKER}| in (?:your|the|any) {ANSWER}|\s*[.!;]|$)))",
    ),
    phrase(
        DICTATE,
        r"(?:respond|reply|answer)(?: (?:only|exclusively|solely|always|exactly|just)){1,6} (?:with|by "
        r"saying|by)(?: (?:the|a|this|these|one)){0,6}"
        r"(?: (?:(?:following|exact|single)(?: \w+)?|words?|phrase|sentence|text|string|message|json)\b|"
        r"\s*[\"'„“«])(?!\W{1,4}(?:true|false|yes|no)\W{1,4}or\b)",
        is_order=True,
    ),
    phrase(
        DICTATE,
        r"(?:your)(?: (?:entire|whole|only|complete|full|final|next)){0,6} (?:answer|response|reply|output) "
        r"(?:must|should|shall|will|is to|has to)"
        r"(?: only| always)? (?:be|say|read|consist of)(?: (?:the (?:exact )?(?:words?|phrase|sentence|text|"
        r"string)|nothing but|only the)\b|(?: exactly)?\s*[\"'„“«])",
    ),
    phrase(
        DICTATE,
        r"(?:when|whenever|if)(?: (?:you are|you're|you))?(?: asked(?: to)?)? (?:summari[sz]e|"
        r"summari[sz]ing|answering|answer|responding|processing"
        r"|translating|analy[sz]ing|asked|describing)(?: \w+){0,5}? (?:this|the) "
        r"(?:document|text|page|file|article|message|paper|resume|résumé|cv|e-?mail|context|passage|content|"
        r"candidate)s?\b"
        rf"[^.!?]{{0,60}}?[,:] (?:(?:always|only|please|you must|you should|instead|then) )?{WRITE}\b",
    ),
    phrase(
        DICTATE,
        rf"(?:start|begin|end|finish|preface|open|conclude)(?: (?:your|every|each|all))(?: of your)? "
        rf"{ANSWER} (?:with|by saying)"
        r"(?: the (?:words?|phrase|sentence|following)\b|\s?[\"'„“«])",
    ),
    phrase(
        DICTATE,
        r"(?:give|write|provide|produce|output|generate|only)(?: (?:give|a|an|only)){0,6}(?: \w+)? positive "
        r"(?:reviews?|evaluations?|assessments?) only\b",
    ),
    phrase(
        DICTATE,
        rf"(?:{ROLES[3:-1]})(?: (?:prompt|message|override|instructions?|note|update|notice|command|"
        rf"alert))?\s?[:\]][\s\"'*_]{{0,6}}{ORDERS}\b",
        is_order=True,
    ),
    phrase(
        SEND,
        r"(?:append|add|include|insert|embed|render|put|attach|place|display|end)(?: (?:the following|this|"
        r"following|a|an|the)){1,6}(?: \w+){0,2}? "
        r"(?:link|url|image|picture|pixel|markdown|html|hyperlink|banner)s?\b[^.!?]{0,60}? (?:to|in|into|of|"
        r"with|after|on)"
        rf"(?: (?:the end of|each of|every one of|all of|all))? (?:your|every|each)(?: \w+)? {ANSWER}\b(?! to this)",
    ),
    phrase(
        SEND,
        r"(?:append|add|include|insert|embed|render|output|display)(?: \w+){0,3}? markdown (?:image|"
        r"link)\b[^.!?]{0,60}? "
        rf"{ANSWER}\b",
    ),
    phrase(
        SEND,
        r"(?:include|encode|append|put|insert|embed|add)(?: (?:the|all|any|whole)){0,6}(?: (?:users?'?s?|"
        r"conversation|chat history|previous messages|api keys?"
        r"|secrets?|system prompt|context))\b[^.!?]{0,50}? (?:in|to|into|as|inside)(?: (?:the|a|an))?(?: "
        r"\w+)? (?:url|link|image|query)\b",
    ),
    phrase(SEND, r"(?:exfiltrate)(?: (?:the|all|any|this)){0,2} \w+"),
    phrase(
        SEND,
        r"(?:send|forward|post|email|transmit|upload|exfiltrate|leak)(?: (?:the|all|any|this|your|whole|"
        r"entire|full)){0,4}"
        r" (?:conversation|chat history|system prompt|api keys?|context window|user's (?:data|details|"
        r"history|input|last|messages?|name|"
        r"password|questions?))(?: \w+){0,6}? "
        r"to[\s\"'<(]{1,6}"
        r"(?:https?:|www\.|[\w.+-]{1,40}@|the following (?:url|address|link|e-?mail|server|endpoint|website))",
    ),
]
