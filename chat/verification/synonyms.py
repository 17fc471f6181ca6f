"""Words that say much the same, and words that say little. Pure data."""

from __future__ import annotations

# Words good writers put for each other; each group means one thing.
_SYNONYMS = """
must shall required require need obligated obliged / may can permitted allowed able
pay paid payment compensation compensate reimburse refund / begin start commence initiate launch
end finish conclude terminate expire / buy purchase acquire procure / show indicate demonstrate reveal display
tell inform notify report advise / help assist support aid / use utilise utilize employ
make produce create generate build construct / get receive obtain gain / give provide supply offer grant deliver
keep retain maintain hold preserve / change alter modify amend revise / about approximately around roughly
company firm business enterprise corporation organisation organization / worker employee staff personnel
customer client consumer / house home dwelling property residence / car vehicle automobile / plane aircraft airplane
crash accident collision / pilot captain / big large major great considerable / small minor little slight
rise increase grow growth climb / fall decrease decline drop reduce reduction cut / happen occur / because since due
cause lead result / yearly annual annually year / monthly month / daily day / write written document / fix repair mend
check inspect examine review / choose select pick / find identify detect discover / aim goal objective target purpose
part portion share component section / money fund funding funds / cost price fee charge expense
income revenue earnings sales / total overall sum / sick ill illness sickness / child children kid / leave absence
ask request apply invite invitation / answer reply respond response / flee escape refuge exile
return returned came came-back / continue went going proceed remain persist / develop evolve evolution progress
follow following succeed succeeding subsequent next later ensue / idea concept notion principle
finally eventually ultimately lastly / first initial initially originally / start emerge appear originate arise
live living resident residents inhabitant inhabitants population reside people citizen
person people individual man woman human / male man men / female woman women / member comprise
comprise consist contain compose / malfunction failure fault defect breakdown / fail failure failed / wreck wreckage
allow enable let permit / say state declare announce explain claim / think believe consider regard
own possess have belong / appoint appointment name nominate / pledge swear promise vow loyalty fealty
war battle conflict fight combat / kill die death fatal died dead / hurt injure injury harm / damage destroy harm
near close beside nearby adjacent / far distant remote / quick fast rapid swift speed / slow gradual
place location site spot located situate situated stand lie / town city municipal urban
country nation state national / area region zone district territory / river stream / road street highway
airport airfield airstrip runway / fly flight flew flown / land landing touchdown / boat ship vessel
leader head chief lead president chairman / rule govern reign control / king monarch royal
law act statute legislation legal / vote elect election ballot / meeting conference session call
join attend participate host participation / talk speak discuss discussion conversation
teach instruct train training education school / learn study / method way technique approach procedure
plan scheme programme program project strategy / problem issue difficulty trouble / danger hazard risk threat
safe secure safety security / difference differ distinct different distinguish / same equal identical equivalent
similar alike like resemble / usual typical normal common ordinary customary / often frequent frequently commonly
rare seldom / main chief principal primary major key leading / important significant essential crucial
hard difficult tough / easy simple / new recent modern contemporary current / old ancient former earlier previous
former previously prior formerly before preceding / present current now today / year annual fiscal
permit allow authorise authorize approve approval / join unite combine merge connect link mix
divide split separate share / replace substitute supersede / remove withdraw eliminate relieve / stop halt cease end
protect guard defend safeguard / attack assault raid invade invasion / conquer conquest capture seize
surrender submit yield / win gain victory / lose loss / travel journey trip move / move transfer shift relocate
carry transport convey bring / send dispatch go deliver / open launch inaugurate / join enter / leave depart departure
stay remain / measure gauge / calculate compute reckon estimate / count number total / number figure amount quantity
several many numerous multiple various / whole entire complete full / almost nearly
limit restrict cap maximum max most / minimum min least / over exceed above more / under below less fewer
need must necessary / want wish desire / try attempt seek strive / plan intend expect
effect result outcome impact consequence / reason cause why / driven due caused fuelled because / method process
work job employment / job post position role / duty responsibility task obligation responsible
right entitled entitlement / power authority / owner proprietor / name call term known / derive come take
type kind sort variety / piece part / group team band / set range series / list enumerate / picture image photograph
book volume handbook manual guide / letter mail / paper document / report account / record register log
rate level speed / heat warm thermal / cold cool / electric electricity power electrical / engine motor
machine device equipment apparatus / invent invention devise / discover discovery / material substance
top upper high / bottom lower low / height high tall / length long / width wide broad / depth deep
weight weigh heavy / age old / sea ocean marine / rain rainfall / weather climate / wind winds breeze / sun solar
sky ceiling clouds / tree trees / school college academy / doctor physician / hospital clinic / medicine drug
food meal / farm agriculture agricultural / factory plant mill / store shop / market trade commerce / bank lender
debt loan owe / tax levy duty / profit gain / reserve stock / share stock equity / invest investment / earn earnings
quarter quarterly / exam examination examine test / website site web online / internet web online / computer system
software application / data information / secret confidential / private personal / public open / single sole one uni
double twice two / worry concern fear anxiety afraid apprehensive / revive renew resume restore / piece fragment bit
store retain save memorise / food nutrient nutrition meal diet / evolve originate / surround around encircle
swallow engulf devour ingest eat consume / merge fuse fusion join unite amalgamate / roam patrol wander
summon call invite convene / contrary against contradict oppose conflict / accepted established prevailing customary
principle practice rule norm / supply source provision / route path way / fault failure error mistake defect flaw bug
resilient survivable robust tolerant / break broken divide split / broken fractured snap cracked rupture
hurt injured wounded injury / badly seriously severely grave heavily
crash impact collide collision struck strike hit / takeoff departed / mountain hill hilly peak
handle manage deal administer conduct / authority government jurisdiction / responsible charge jurisdiction control
audit inspect scrutinise scrutiny review examine check vet screen / forged fraudulent fake counterfeit false
traveller passenger / coast coastline shoreline shore seaside / border frontier boundary / smuggle traffic trafficking
arrest catch detain apprehend interdict intercept / hire recruit employ / improve enhance strengthen better upgrade
simplify streamline simpler simplification / lower reduce decrease lessen cut diminish
catastrophe disaster disastrous calamity / victim survivor casualty / recover recovery rebuild reconstruct
encourage promote foster stimulate motivate spur / mentor coach tutor / respect comply compliance obey adhere conform
publish release publication issue / honest integrity / complain complaint grievance objection
shield protect guard defend safeguard / exploit abuse / ignore neglect disregard overlook
harm undermine weaken damage impair undercut / fair equitable just equity
cooperate collaborate partner partnership together coordinate / statistics data figures / table tabulation chart
access reach / confidential secret classified / claim benefit / jobless unemployed / pandemic covid coronavirus
weapon arms gun / railway rail railroad train locomotive / car automobile vehicle motorcar
bike bicycle cyclist cycle / walk foot pedestrian / holdings collection inventory / own boast possess belong
story history tale account / church cathedral temple chapel / classic typical characteristic / merchant trader dealer
erect build construct built / earliest first early oldest / structure building edifice construction / surname name
descent descendant ancestry origin extraction roots offspring / castle fortress fort fortification
absorb assimilate subsume integrate / settle settlement colony colonise colonize / shape form develop
live survive persist endure / transcribe write record / author write compose / judge court justice
agree approve accept consent / begin began onset outset start / conclude closing final / crown throne
succeed successor heir / obtain acquire get gain secure / lack absence miss without none
probably likely presumably perhaps / swim float / chase pursue hunt / vary differ variation change
fund finance sponsor pay / spend expenditure outlay cost / expensive costly dear / cheap inexpensive affordable
rich wealthy affluent wealth / poor poverty deprived disadvantaged / equipment gear apparatus machinery kit
tool instrument device / build assemble / repair fix mend restore maintenance
modernise modernize update upgrade renovate / dispose discard scrap sell / surplus excess spare
underuse underutilised underutilized / vulnerable exposed / protect immune / infect infectious contagious
germ microbe microorganism bacterium bacteria pathogen / virus viral / illness disease disorder sickness ailment
cure heal treat treatment therapy remedy / symptom sign / pain ache / sleep asleep rest / awake wake / blood bleeding
brain mental mind / body physical bodily / smell odour odor scent / noise sound loud / light bright illumination
night nighttime nocturnal / day daytime daily / century hundred / decade ten / dozen twelve / pair couple both two
trio three / top best leading foremost / worst lowest / expert specialist professional
scientist researcher scholar academic / teacher professor lecturer instructor / student pupil learner
soldier troop army military / navy naval fleet / police officer / prison jail gaol
crime criminal offence offense illegal unlawful illicit / contract agreement deal treaty pact
promise pledge commit undertake / prevent avoid stop avert block deter / obstacle barrier hurdle hindrance
wall fence / bridge crossing / tunnel passage underground / port harbour harbor / island isle / lake pond / hill slope
forest wood woodland / field meadow pasture / crop harvest grain / animal beast creature / plant vegetation
horse horseback / dog canine / stone rock / metal iron steel / coal fuel / oil petroleum petrol / steam vapour vapor
water aqueous / fire flame burn blaze / explode explosion blast / pollution contamination emission emit
waste rubbish garbage trash refuse / environment environmental ecological / clean cleanup purify / green sustainable
energy power / wire cable / signal message / send transmit transmission deliver delivery dispatch transfer
receive recipient / network web / node host server / user customer client subscriber / bandwidth capacity
speed velocity rate fast / direction course heading / force push pull / friction drag resistance / mass weight
motion movement move / constant steady fixed unchanged uniform stable / zero none nil no / equal balance cancel offset
oppose opposite counter counteract / circle circular curve / straight direct / edge border rim
centre center middle central heart core / inside interior inner within / outside exterior outer / front ahead
behind back rear / side flank / roof ceiling / floor storey story / room chamber / door gate entrance / kitchen cook
clothes garment dress / shoe boot footwear / drink beverage / song music sing / film movie cinema
play theatre theater drama / game match contest / score goal / player footballer / club team side / season campaign
champion championship title / coach manager trainer / retire stop / birth born / childhood youth young boyhood
marry marriage wed / wife husband spouse / parent father mother / brother sister sibling / friend companion ally
enemy foe rival opponent / birthplace born / grow raise / visit tour / guest visitor tourist / hotel inn
holiday vacation leave / celebrate festival / honour honor award prize
famous renowned notable known celebrated prominent / popular favourite favorite fan / criticise criticize controversy
praise acclaim commend / popularise spread popularize / influence inspire affect impact / propose suggest recommend
argue argument contend maintain / doubt uncertain unsure / certain sure / prove proof confirm evidence verify
explain explanation clarify account / discover find uncover / invent devise create coin / coin term
describe depict portray / define definition / represent symbolise stand / mean signify denote
stand abbreviation short / include contain comprise / exclude omit except / add addition extra further another
combine together / separate apart distinct / collect gather / distribute spread / select choose choice option opt
decide decision determine / order command instruct / request application apply ask / refuse reject decline deny
forbid prohibit ban / require demand / permit permission licence license certificate certified / qualify qualification
skill ability capability talent able / aware know knowledge / train drill / hope expect anticipate
plan intend intention / prepare ready / launch introduce introduction / implement execute / operate run
oversee supervise oversight monitor / lead head direct / govern administration / policy rule / budget funds
value worth / amount sum / grow expand expansion / shrink contract / double twofold twice / triple threefold
half halve / quarter fourth / most majority mainly largely chiefly primarily / many numerous lots
few little small hardly scarce / enough sufficient adequate / too also / alone sole only
together jointly collectively / each every per / part section segment portion / extra surplus
usual generally normally typically / sometimes occasionally / soon shortly / late later / recent lately
current nowadays today / past previous last earlier / future upcoming coming forthcoming
temporary interim provisional / permanent lasting / immediate instantly promptly / gradual slowly / sudden abruptly
exact precise
secrete release emit discharge exude / substance compound chemical agent material
weaken diminish lessen impair reduce / flow circulate stream / loop circuit cycle / attract draw appeal
resist withstand endure / attack invade assail / mislead misdirect astray deceive / role part function purpose serve
patient sufferer / reflect mirror represent / situation condition state circumstance position / archivist archival
profession professional occupation vocation career / thrive flourish prosper succeed well
scale extent magnitude scope size / limited finite restricted few / compress squeeze pack dense crowd
stiff rigid firm solid / repel repulsion push / responsible cause reason behind / invent develop devise originate
hub centre center focus / head lead run direct abbot / custom tradition practice system habit
expand grow growth increase / attract investment / ranking list index / share percentage proportion percent fraction
rate ratio / average mean typical / capita person head / generate produce yield / goods products merchandise wares
demand need want require / shortage lack scarcity deficit / abundance plenty / enlarge extend expand extension
widen broaden / narrow reduce / deepen intensify / accelerate hasten speed / delay postpone defer late
cancel abandon scrap drop / abolish repeal end eliminate / replace succeed substitute / displace expel evict
accompany escort / guide lead direct / warn alert caution / threaten endanger menace jeopardise threat / rescue save
free liberate release / enslave slave / obey follow comply / rebel revolt uprising rebellion / overthrow depose topple
elect vote choose / campaign drive initiative effort / effort attempt endeavour endeavor
challenge difficulty hurdle problem / opportunity chance / advantage benefit plus gain
disadvantage drawback downside / benefit profit help / suffer undergo experience sustain
experience encounter undergo face / meet encounter satisfy fulfil / achieve attain accomplish reach / complete finish
fail collapse / collapse fall crumble / crack split / melt thaw / freeze frozen ice / evaporate vapour vapor
condense droplets / cool chill refrigerate / mix blend / separate isolate apart / attach fasten fix connect bind stick
detach loosen separate remove / bind stick adhere attach / rotate spin turn revolve / slide glide slip
bounce rebound / tilt lean / lift raise elevate hoist / lower drop / press push squeeze / pull drag tow
carry bear hold / hang suspend / lie rest / cross traverse pass / reach arrive / approach near / exit leave departure
follow trail track / lose lost loss / hide conceal mask hidden / appear emerge seem / vanish disappear
visible seen apparent / clear evident obvious plain / unclear ambiguous vague / strange odd unusual
common widespread frequent prevalent / unique sole only / opposite reverse contrary / true correct right
wrong incorrect false mistaken misconception / believe think regard view consider / view opinion belief attitude
suppose assume presume / guess estimate / measure gauge determine / weigh assess evaluate / compare contrast
rank rate / sort classify categorise categorize class group / label name mark / mark sign indicate / point indicate
reveal disclose expose show / announce declare proclaim / mention cite name / discuss address cover treat
emphasise emphasize stress highlight underline / summarise summarize sum / conclude infer deduce / speak say talk tell
shout cry / read study / compose write create / draw sketch design / design plan / model pattern example
example instance illustration / detail particular specific / basic fundamental elementary underlying
complex complicated intricate sophisticated advanced / strong powerful robust / weak feeble
efficient effective economical / useful helpful valuable / useless futile
necessary needed essential vital required crucial / optional voluntary / possible feasible potential / rare scarce
enormous huge vast immense gigantic / tiny minute small / wide broad extensive / heavy weighty massive
hard solid firm / smooth even / rough coarse / sharp acute / empty vacant / full filled / fresh new / stale old
raw crude / pure clean / dirty polluted / healthy fit / sick ill unwell / alive living / dead deceased
elderly old aged
"""
SYNONYMS = tuple(tuple(group.split()) for line in _SYNONYMS.strip().splitlines() for group in line.split(" / "))

# What a writer puts for nearly any other word; it proves little that one of these does not stand in a passage.
PLAIN_WORDS = (
    "be become have hold do make get got go went come came take took give gave put set keep kept let see saw seem "
    "look find found know think want use work call try ask need feel leave turn start began begin show hear play run "
    "ran move live lived believe bring brought happen write sit stand lose pay meet include continue learn change "
    "lead understand watch follow stop create speak read spend grow grew open walk win offer remember consider appear "
    "buy wait serve send expect build stay fall cut reach remain suggest raise pass require report decide pull "
    "catch caught rank concern involve exist act mean allow add apply cover focus relate aim help result describe "
    "provide mention note explain state claim carry cause contain consist base locate happen occur place part way "
    "thing kind sort type number amount case point fact people person man woman body group one two first second "
    "last next new old good big large small great high low long short full whole main own different same possible "
    "certain able such available general specific particular various several many few much little more most less "
    "well also then now here there again still even already yet ever never often always usually sometimes just "
    "only really truly quite rather almost nearly too back away out off down up together around across along "
    "through before after since until during within without among against toward towards upon overall eventually "
    "finally currently generally especially mainly actually itself himself herself themselves"
).split()
