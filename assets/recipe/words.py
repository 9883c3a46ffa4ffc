"""The words and sentence templates of tasks.py. In every pair: (for training, held out for evaluation)."""

WOMEN = ("Mary Alice Anna Emma Jane Rose Lucy Helen Martha Ruth Grace Clara Diana Amy Anne Dorothy Heidi "
         "Polly Sally Susan Kate Nancy Ellen Laura Julia Sarah Lily Daisy Hannah Jenny Margaret Molly Becky "
         "Gretel Gerda Phyllis").split()
MEN = ("John Tom Peter James Jack Robert Cyril Colin Matthew Gilbert Henry George Charles William Harry "
       "David Hansel Ben Jim Joe Sam Bob Bill Fred Frank Edward Arthur Paul Simon Martin Hugh Philip Walter "
       "Daniel Nick Thomas").split()
# Names held out of a task occur in the books and in the other tasks, never in training rows of this one.
IOI_HELD_OUT = ("Emma Martha Kate Anne Lily Daisy Dorothy Julia "
                "Harry George Frank Simon Martin Paul Henry Joe").split()
PRONOUN_HELD_OUT = ("Alice Clara Diana Hannah Polly Gerda Jane "
                    "Peter Robert Matthew Colin Jack Cyril Tom").split()
# Only in the training rows of a wide sampler (tasks.py), as "the queen".
WOMEN_NOUNS = "queen princess girl woman mother witch sister lady wife daughter maiden".split()
MEN_NOUNS = "king prince boy man father wizard brother lord husband son lad".split()

PLACES = ("store house garden forest castle river school market church kitchen mill village town field "
          "bridge hall".split(), "palace stable cottage mountain".split())
OBJECTS = ("drum ring book ball key flower apple cake letter basket sword hat coat box cup bread rope knife "
           "lamp bag".split(), "candle ribbon spoon purse".split())
ANIMALS = ("fox bear hen cat dog wolf horse cow pig goat duck mouse bird frog fish lion".split(),
           "goose sheep rabbit crow".split())
EVENTS = ("war siege journey reign feud famine plague quarrel truce voyage drought strike".split(),
          "peace storm hunt trial".split())

IOI_OPENINGS = ([
    "When{a} and{b} went to the{place},", "After{a} and{b} went to the{place},",
    "Then{a} and{b} came to the{place}, and", "While{a} and{b} were at the{place},",
    "One day{a} and{b} sat in the{place}. Then", "Once{a} and{b} lived near the{place}.",
    "Yesterday{a} and{b} met in the{place}, where", "As{a} and{b} walked to the{place},",
    "In the{place}{a} and{b} had a long talk. Afterwards", "Long ago{a} and{b} played in the{place}, and",
    "At last{a} and{b} found the{place}.", "The friends{a} and{b} were tired of the{place}, so",
    "Here are{a} and{b}. In the{place}", "When{a} met{b} at the{place},", "As soon as{a} saw{b},",
    "That night{a} stayed with{b} in the{place}, and", "Because{a} and{b} liked the{place},",
    "By the{place}{a} and{b} lay down to sleep; soon", "In the evening{a} and{b} came back from the{place}, and there",
    "Until{a} and{b} reached the{place},", "Behind the{place}{a} and{b} began to dance. Presently",
    "All day{a} and{b} worked at the{place}, and", "Though{a} and{b} feared the{place},",
    "If{a} and{b} ever find the{place},", "Where is the{place}? asked{a} and{b}. So",
    "There were once{a} and{b} who owned a{place}, and", "In the spring{a} and{b} built a{place}; then",
    "Not far from the{place}{a} and{b} found a{obj}, and", "Early next day{a} called{b} to the{place}, where",
], [
    "Since{a} and{b} had work at the{place},", "Near the{place}{a} and{b} stopped to rest, and",
    "In the morning{a} and{b} ran to the{place}; there", "Before{a} and{b} left the{place},",
])
IOI_ACTIONS = ([
    " gave the{obj} to", " gave a{obj} to", " handed the{obj} to", " sent the{obj} to", " passed the{obj} to",
    " showed the{obj} to", " lent a{obj} to", " brought the{obj} to", " offered a{obj} to",
    " threw the{obj} to", " sold the{obj} to", " carried a{obj} to", " wanted to give the{obj} to",
    " read a letter to", " told the story to", " ran away from", " shared the{obj} with", " lent the{obj} to",
    " chose to sell the{obj} to", " had to bring a{obj} to", " bought a{obj} for", " hid the{obj} from",
], [
    " returned the{obj} to", " decided to give the{obj} to", " took a{obj} to", " promised the{obj} to",
])
# A wide sampler also makes openings from words of the books: a lead, the names, and runs of words around them.
# "Since", "Near" and "Before" begin held-out openings and are left out.
IOI_LEADS = ("When After Then While Once As Yesterday Because Until Though If So Now Here There Soon Today Where "
             "Perhaps Still Meanwhile Suddenly And But For That This").split()
IOI_HELD_OUT_VERBS = "returned decided took promised".split()  # no wide verbs: they stay unseen
PRONOUN_TEMPLATES = ([
    "When{n} came home,", "As soon as{n} saw the{place},", "Before{n} went to the{place},",
    "After{n} ate the{obj},", "Then{n} sat down, for", "One day{n} was sad because", "Poor{n} cried until",
    "At last{n} said that", "That night{n} dreamed that", "Little{n} was so tired that",
    "Everyone knew{n}, and", "While{n} was in the{place},", "Then{n} took the{obj}, and",
    "The king looked at{n}, and",
], [
    "Because{n} was hungry,", "In the{place}{n} sang until", "Once{n} found a{obj},", "Long ago{n} thought that",
])
# As IOI_LEADS; "Because", "Once" and "Long ago" begin held-out templates.
PRONOUN_LEADS = [lead for lead in IOI_LEADS if lead not in ("Because", "Once")]
PRONOUN_TURNS = [",", ",", ",", " until", " that", " because", ", for", ", and", ". Then", "; so"]
PRONOUN_ENDINGS = [" was glad.", " went away.", " took{poss}{obj}.", " looked for{poss}{obj}.", " ran home."]
YEAR_TEMPLATES = ([
    "The{event} lasted from the year {y} to the year {c}", "The{event} began in the year {y} and ended in the year {c}",
    "They say the{event} went on from {y} to {c}", "From {y} until {c}", "The{event} lasted from {y} till {c}",
    "It was the year {y}. The{event} was over in {c}", "The{event} of {y} came to an end in the year {c}",
    "Between the year {y} and the year {c}", "The{event} that began in {y} went on until {c}",
    "In {y} they had a{event}. It ended in {c}", "From the year {y} to the year {c}", "He slept from {y} to {c}",
    "The{event} broke out in the year {y} and lasted until {c}", "Since {y} there was a{event}; they saw its end in {c}",
    "The{event} was begun in {y} and finished in the year {c}", "They waited from the year {y} till the year {c}",
], [
    "The{event} started in {y} and stopped in {c}", "From the year {y} the{event} lasted until the year {c}",
])
KEY_VALUE_TEMPLATES = ([
    " The{k} has the{v}.", " The{k} wants a{v}.", " The{k} lost the{v},", " One{k} bought a{v};",
], [
    " The{k} found the{v}.", " A{k} made a{v},",
])
BRACKET_PREFIXES = (["He wrote", "The sign said", "It began", "They read", "Note", "The book says", "Look"],
                    ["She drew", "On the wall stood"])
BRACKETS = [(" (", " )"), (" [", " ]"), (" {", " }"), (" <", " >")]
