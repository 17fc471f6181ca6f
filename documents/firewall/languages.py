"""The same orders in languages other than English."""

from __future__ import annotations

import re

from documents.firewall.phrases import ADDRESS, CONCEAL, DICTATE, IGNORE, REVEAL, ROLE, SEND, phrase

_KI = (
    r"(?:ki|künstliche intelligenz|(?:großes )?sprachmodell|llm|chatbot|chatgpt|sprach-ki)"
    r"(?![\s-]+(?:anbieter|entwickler|expert|berater|beauftragte|forsch|firma|hersteller))(?:[\s-](?:modell|"
    r"assistent|system|agent)(?:in)?)?\b"
)
_ANWEISUNG = (
    r"(?:anweisung|instruktion|befehl|vorgabe|regel|prompt|aufforderung|anordnung|richtlinie|eingabe)(?:en|e|n|s)?\b"
)
_VORHER = (
    r"(?:vorherig|bisherig|vorangegangen|vorangehend|obig|früher|vorig|vorstehend|ursprünglich|vorangestellt|"
    r"vorhergehend)(?:en|e|er)"
)
_NICHT_ZU = r"(?! (?:zu|zum|zur|auf|in|im|über|für|aus|vom|der|des)\b)"

GERMAN = [
    phrase(
        IGNORE,
        r"(?:ignoriere|ignorier|ignorieren sie|vergiss|vergessen sie|missachte|missachten sie|verwirf|"
        r"verwerfen sie|übergehe|umgehe|befolge nicht)"
        rf"(?: (?:bitte|alle|sämtliche|jegliche|die|deine|ihre|jede|all|diese|meine)){{0,4}} {_VORHER} "
        rf"{_ANWEISUNG}{_NICHT_ZU}",
    ),
    phrase(
        IGNORE,
        r"(?:ignoriere|vergiss|vergessen sie|ignorieren sie|missachte) alles (?:was|vorherige|bisherige|obige|davor)"
        r"(?: (?:dir|ihnen|du|sie|oben|bisher|zuvor|vorher|bis|jetzt)){0,6}(?: (?:gesagt|mitgeteilt|"
        r"aufgetragen|steht|angewiesen)|\s*[.!,]|$| und\b)",
    ),
    phrase(IGNORE, rf"(?:ignoriere|vergiss|missachte|umgehe)(?: alle)? deine(?: \w+)? {_ANWEISUNG}"),
    phrase(
        ADDRESS,
        rf"(?:als)(?: (?:eine?|die|das|der))?(?: \w+)? ?{_KI}(?: \w+){{0,2}}? (?:musst|sollst|darfst|wirst|"
        rf"solltest|hast|bist) du\b",
    ),
    phrase(
        ADDRESS, rf"(?:wenn|falls|sofern) (?:du|sie)(?: (?:eine?|die|das|der))?(?: \w+)? {_KI}(?: \w+)? (?:bist|sind)\b"
    ),
    phrase(
        ADDRESS,
        rf"(?:achtung|hinweis|anweisung|anweisungen|nachricht|hallo|liebe|liebes)(?: (?:an|für))?(?: (?:die|"
        rf"das|jede|jedes|alle))? {_KI}(?: \w+){{0,5}}?\s?[:,!–—-]",
    ),
    phrase(
        ROLE,
        rf"(?:du bist)(?: (?:jetzt|nun|ab jetzt|ab sofort|von nun an|kein|keine|nicht mehr)){{0,2}}(?: "
        rf"eine?)?(?: \w+)? {_KI}",
    ),
    phrase(
        ROLE,
        r"(?:ab jetzt|ab sofort|von nun an|von jetzt an) (?:antworte|antwortest du|sprichst du|bist du|"
        r"verhältst du|tust du so)\b",
    ),
    phrase(
        REVEAL,
        r"(?:gib|zeige|zeig|nenne|verrate|wiederhole|drucke|offenbare)(?: mir)?(?: (?:deinen?|den|die|das|"
        r"deine)) (?:system[\s-]?prompt|systemanweisung(?:en)?|system[\s-]?nachricht|versteckten "
        r"anweisungen|ursprünglichen anweisungen)",
    ),
    phrase(
        REVEAL,
        r"(?:wiederhole|gib)(?: mir)? (?:alles|den gesamten text|den text) (?:oben|über dieser|vor dieser|oberhalb)",
    ),
    phrase(
        CONCEAL,
        r"(?:sage|sag|erzähle|erzähl|verrate|teile|teil) (?:dem|der|den) (?:nutzer|benutzer|anwender|"
        r"leser)(?:in|n|innen)? (?:nichts|nicht dass|niemals|nicht mit dass|hiervon nichts|nicht)\b",
    ),
    phrase(
        CONCEAL, r"(?:erwähne|nenne) (?:diese|die obigen)(?: \w+)? (?:anweisung(?:en)?|nachricht|prompt)(?: \w+)? nicht"
    ),
    phrase(
        DICTATE,
        r"(?:antworte)(?: (?:ausschließlich|nur|immer|stets|lediglich)){1,3} mit(?: (?:dem|den|der|"
        r"folgendem|folgenden)){1,2} (?:wort|worten|satz|text|folgenden|wörtern)",
    ),
    phrase(
        SEND,
        r"(?:füge|hänge|setze|baue)(?: (?:den|das|die|folgenden|folgendes|diesen|dieses)){1,3} (?:link|bild|"
        r"url|markdown)[^.!?]{0,60}? (?:antwort|antworten|ausgabe)\b",
    ),
]

_ES_IA = r"(?:ia|inteligencia artificial|modelo de lenguaje|asistente de ia|asistente virtual|llm|chatbot|chatgpt)\b"
_INSTRUCCION = (
    r"(?:instrucci[oó]n|indicaci[oó]n|orden|[oó]rden|regla|directri(?:z|c)|directiva|comando|prompt|"
    r"consigna)(?:es|s)?\b"
)
_ANTERIOR = (
    r"(?:anterior(?:es)?|previas?|previos?|precedentes?|originales|de arriba|recibidas|dadas|que (?:te|se te|"
    r"le) (?:han dado|dieron|dio))\b"
)

SPANISH = [
    phrase(
        IGNORE,
        r"(?:ignora|ignore|ignorad|olvida|olvide|olvídate de|descarta|descarte|omite|desobedece|no sigas|no "
        r"tengas en cuenta|haz caso omiso de|haga caso omiso de)"
        rf"(?: (?:todas?|las?|los?|cualquier|cualesquiera|tus|sus)){{0,4}} {_INSTRUCCION} {_ANTERIOR}(?! "
        rf"(?:de|del|sobre|en|para|si)\b)",
        is_order=True,
    ),
    phrase(
        IGNORE,
        r"(?:ignora|olvida|olvide|ignore)(?: (?:todas?|las?|cualquier)){0,3} (?:anteriores|previas)(?: "
        r"\w+)? (?:instrucciones|[oó]rdenes|reglas|indicaciones)\b",
        is_order=True,
    ),
    phrase(
        IGNORE,
        r"(?:ignora|olvida|olvide|ignore) todo lo (?:anterior|dicho|que (?:te|se te|le|has|"
        r"est[aá]))\b(?! (?:de|sobre)\b)",
        is_order=True,
    ),
    phrase(IGNORE, rf"(?:ignora|olvida|desobedece)(?: todas)? tus(?: \w+)? {_INSTRUCCION}", is_order=True),
    phrase(ADDRESS, rf"(?:como)(?: una?)?(?: \w+)? ?{_ES_IA},? (?:debes|tienes|deber[aá]s|has de|puedes|vas)\b"),
    phrase(ADDRESS, rf"(?:si) (?:eres|es usted|usted es)(?: una?)?(?: gran)? {_ES_IA}"),
    phrase(
        ADDRESS,
        rf"(?:atenci[oó]n|nota|instrucciones|mensaje|aviso|querida|querido)(?: (?:a|al|para))?(?: (?:la|el|"
        rf"cualquier|toda|todo))? {_ES_IA}(?: \w+){{0,5}}?\s?[:,!–—-]",
    ),
    phrase(ROLE, rf"(?:haz|act[uú]a|finge|comp[oó]rtate) como si fueras una?(?: \w+)? ?{_ES_IA}"),
    phrase(ROLE, rf"(?:ahora eres|eres ahora|ya no eres|eres) una?(?: \w+)? ?{_ES_IA}"),
    phrase(
        ROLE,
        r"(?:a partir de ahora|desde ahora|de ahora en adelante),? (?:responde|responder[aá]s|act[uú]a|eres|"
        r"debes responder|habla|contesta)\b",
    ),
    phrase(
        REVEAL,
        r"(?:revela|muestra|mu[eé]strame|imprime|repite|dime|escribe)(?: (?:tu|el|tus|las|los)) (?:prompt|"
        r"mensaje|indicaci[oó]n|instrucciones|instrucci[oó]n)(?: (?:del?|iniciales|ocultas|inicial))(?: "
        r"sistema)?",
    ),
    phrase(
        REVEAL,
        r"(?:repite|imprime|copia) todo (?:el texto|lo que (?:hay|aparece|est[aá])|lo) (?:de )?(?:arriba|"
        r"anterior|encima)",
    ),
    phrase(
        CONCEAL,
        r"(?:no) (?:le |se lo )?(?:digas|menciones|informes|reveles|cuentes|avises)(?: (?:nada|esto|"
        r"que))?(?: (?:de esto|sobre esto))? al usuario(?! (?:si|cu[aá]l|su|la)\b)",
    ),
    phrase(
        CONCEAL, r"(?:no) menciones (?:estas|este|las|esta)(?: \w+)? ?(?:instrucciones|mensaje|instrucci[oó]n|prompt)\b"
    ),
    phrase(
        DICTATE,
        r"(?:responde|contesta)(?: (?:únicamente|solo|sólo|solamente|siempre|exclusivamente)){1,2} con "
        r"(?:la palabra|la frase|el texto|el siguiente|lo siguiente|las palabras)",
    ),
    phrase(
        SEND,
        r"(?:añade|agrega|incluye|inserta|pon)(?: (?:el siguiente|este|la siguiente|esta)) (?:enlace|imagen|"
        r"url|v[ií]nculo)[^.!?]{0,60}? (?:respuestas?|contestaci[oó]n)\b",
    ),
]

_FR_IA = (
    r"(?:ia|intelligence artificielle|(?:grand )?mod[eè]le de langage|assistant ia|assistante? virtuelle?|llm|"
    r"chatbot|chatgpt)\b"
)
_CONSIGNE = r"(?:instruction|consigne|directive|r[eè]gle|ordre|commande|indication|prompt)s?\b"
_PRECEDENT = (
    r"(?:pr[eé]c[eé]dente?s?|ant[eé]rieure?s?|ci-dessus|re[cç]ue?s|donn[eé]e?s|initiales|d'origine|qui "
    r"pr[eé]c[eè]dent|pr[eé]alables)\b"
)

FRENCH = [
    phrase(
        IGNORE,
        r"(?:ignore|ignorez|ignorer|oublie|oubliez|n[eé]glige|n[eé]gligez|ne tiens pas compte|ne tenez pas "
        r"compte|fais abstraction|faites abstraction|ne suis pas|ne suivez pas)"
        rf"(?: (?:toutes?|tous|les?|tes|vos|des?|l'ensemble)){{0,4}} {_CONSIGNE} {_PRECEDENT}(?! (?:de|du|"
        rf"des|sur|concernant|relatives|si)\b)",
        is_order=True,
    ),
    phrase(
        IGNORE,
        r"(?:ignore|ignorez|oublie|oubliez) tout ce (?:qui (?:pr[eé]c[eè]de|est [eé]crit|a [eé]t[eé] dit)|"
        r"qu'on (?:t'a|vous a)|que (?:tu|je|vous))",
        is_order=True,
    ),
    phrase(IGNORE, rf"(?:ignore|oublie|contourne)(?: toutes)? tes(?: \w+)? {_CONSIGNE}", is_order=True),
    phrase(
        ADDRESS,
        rf"(?:en tant) (?:qu'|que )(?:une? )?{_FR_IA},? (?:tu|vous) (?:dois|devez|devrais|devriez|es|[eê]tes|"
        rf"peux|pouvez|vas|allez)\b",
    ),
    phrase(ADDRESS, rf"(?:si) (?:tu es|vous [eê]tes)(?: une?)? {_FR_IA}"),
    phrase(
        ADDRESS,
        rf"(?:attention|note|instructions|message|avis|ch[eè]re|cher)(?: (?:[aà]|aux?|pour))?(?: (?:la|le|l'|"
        rf"toute|tout|les))? ?{_FR_IA}(?: \w+){{0,5}}?\s?[:,!–—-]",
    ),
    phrase(
        ROLE,
        rf"(?:tu es|vous [eê]tes)(?: (?:d[eé]sormais|maintenant|plus|dor[eé]navant)){{1,2}}(?: une?)?(?: "
        rf"\w+)? ?{_FR_IA}",
    ),
    phrase(
        ROLE,
        r"(?:[aà] partir de maintenant|d[eé]sormais|dor[eé]navant),? (?:r[eé]ponds|tu r[eé]pondras|tu es|"
        r"agis|parle|tu dois r[eé]pondre)\b",
    ),
    phrase(
        REVEAL,
        r"(?:affiche|affichez|r[eé]v[eè]le|r[eé]v[eé]lez|montre|montrez|r[eé]p[eè]te|r[eé]p[eé]tez|imprime|"
        r"donne)(?:-moi)?(?: (?:ton|votre|l'|le|tes|vos|les)) ?(?:(?:prompt|invite|message|"
        r"instructions?)(?: (?:de |du )?(?:syst[eè]me|cach[eé]e?s?|initiale?s?)))",
    ),
    phrase(
        CONCEAL,
        r"(?:ne) (?:le |lui )?(?:dis|dites|r[eé]v[eè]le|r[eé]v[eé]lez|mentionne|mentionnez)(?: (?:rien|pas|"
        r"jamais|cela|ceci|ce message)){1,3} [aà] l'utilisat(?:eur|rice)(?! (?:si|son|quel)\b)",
    ),
    phrase(
        CONCEAL,
        r"(?:n'informe|n'informez|n'avertis|n'avertissez) (?:pas|jamais) l'utilisat(?:eur|rice) (?:de ce|"
        r"que ce|de cela|que tu|que vous|de ces)",
    ),
    phrase(
        DICTATE,
        r"(?:r[eé]ponds)(?: (?:uniquement|seulement|toujours|exclusivement)){1,2} (?:par|avec) (?:le mot|la "
        r"phrase|le texte|les mots)",
    ),
    phrase(
        SEND,
        r"(?:ajoute|ajoutez|ins[eè]re|ins[eé]rez|inclus|incluez)(?: (?:le|la|l'|cette|ce)) ?(?:lien|image|"
        r"url)(?: suivante?)?[^.!?]{0,60}? (?:r[eé]ponses?)\b",
    ),
]

OTHERS = [
    phrase(
        IGNORE,
        r"(?:ignora|dimentica|ignorate)(?: (?:tutte|le|tutti|gli|i)){0,3} (?:istruzioni|ordini|regole|"
        r"indicazioni)(?: \w+)? (?:precedenti|sopra|fornite)\b",
        is_order=True,
    ),
    phrase(IGNORE, r"(?:ignora|dimentica) (?:tutte le|le) precedenti (?:istruzioni|indicazioni)\b", is_order=True),
    phrase(
        IGNORE,
        r"(?:ignore|esqueça|desconsidere)(?: (?:todas?|as|os|quaisquer)){0,3} (?:instruções|ordens|"
        r"regras)(?: \w+)? (?:anteriores|acima|prévias)\b",
        is_order=True,
    ),
    phrase(
        IGNORE,
        r"(?:negeer|vergeet)(?: (?:alle|de|je|uw)){0,3} (?:vorige|eerdere|voorgaande|bovenstaande) "
        r"(?:instructies|opdrachten|regels)\b",
    ),
    phrase(
        IGNORE,
        r"(?:игнорируй|игнорируйте|забудь|забудьте|проигнорируй)(?: (?:все|всё|любые)){0,2} (?:предыдущие|"
        r"прежние|предшествующие|вышеуказанные) (?:инструкции|указания|команды|правила)",
    ),
    phrase(
        IGNORE,
        r"(?:zignoruj|ignoruj|zapomnij)(?: (?:wszystkie|o wszystkich)){0,2} (?:poprzednie|poprzednich|"
        r"wcześniejsze) (?:instrukcje|instrukcjach|polecenia)",
    ),
    phrase(IGNORE, r"(?:تجاهل)(?: (?:جميع|كل|كافة)){0,2} (?:التعليمات|الأوامر|الإرشادات) (?:السابقة|أعلاه)"),
]

# Written without blanks between words, these are looked for everywhere.
UNSPACED = re.compile(
    r"(?:忽略|无视|無視|忘记|忘記)(?:掉|之前|以上|先前|前面|此前|上述|所有|全部|一切|的|你|您|收到|给出|任何){1,8}(?:指令|指示|提示|命令|规则|規則|说明|要求|對話|对话)"
    r"|(?:これまで|以前|上記|前|先|今まで)(?:の)?(?:すべて|全て|全)?(?:の)?(?:指示|命令|プロンプト|ルール)(?:は|を)?(?:すべて|全て)?(?:無視|忘れ)"
    r"|(?:이전|위|앞)의?\s?(?:모든\s?)?(?:지시|명령|지침)(?:사항)?(?:을|를)?\s?(?:모두\s?)?무시"
)
