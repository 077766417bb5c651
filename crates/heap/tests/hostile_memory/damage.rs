//! What is done to an image: the same for the same seed, as far as the process is the same.

use leakscope_goruntime::Runtime;

use crate::image::Image;

/// Numbers that look random (xorshift).
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Dice {
        Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn any(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// Below `end`.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.any() % end.max(1)
    }

    /// A word that is likely to be believed: small, huge, nearly what was there, or another word of the image.
    fn word(&mut self, image: &Image, old: u64) -> u64 {
        match self.below(8) {
            0 => 0,
            1 => u64::MAX,
            2 => 1 << self.below(64),
            3 => old.wrapping_add(self.below(64)).wrapping_sub(32),
            4 => old ^ 1 << self.below(64),
            5 => image.word(image.writable(self.any()) & !7),
            6 => image.writable(self.any()) & !7,
            _ => self.any(),
        }
    }
}

/// Places in the image where the runtime keeps its books.
pub(crate) struct Books {
    /// Slice headers and roots of lists: `mheap_.allspans`, `allgs`, the module, the table of itabs.
    heads: Vec<(u64, u64)>,
    spans: Vec<u64>,
    span_size: u64,
    goroutines: Vec<u64>,
    g_size: u64,
    types: (u64, u64),
    specials: Vec<u64>,
}

impl Books {
    pub(crate) fn of(image: &Image, runtime: &Runtime<'_>) -> Books {
        let at = |name: &str| runtime.variable(name).unwrap().get();
        let offset = |path: &str| runtime.layout.need(path).unwrap().offset;
        let size = |name: &str| runtime.layout.size(name).unwrap();
        let list = |head: u64| -> Vec<u64> {
            let (data, len) = (image.word(head), image.word(head + 8));
            (0..len).map(|index| image.word(data + index * 8)).collect()
        };
        let allspans = at("mheap_") + offset("mheap.allspans");
        let (spans, goroutines) = (list(allspans), list(at("allgs")));
        let first = |span: &u64| image.word(span + offset("mspan.specials"));
        let mut specials: Vec<u64> = spans.iter().map(first).filter(|&first| first != 0).collect();
        let next: Vec<u64> = specials.iter().map(|&at| image.word(at + offset("special.next"))).collect();
        specials.extend(next.into_iter().filter(|&at| at != 0));
        let module = &runtime.modules[0];
        let itabs = image.word(at("itabTable"));
        Books {
            heads: vec![
                (allspans, 24),
                (at("allgs"), 24),
                (module.at.get(), size("moduledata")),
                (at("itabTable"), 8),
                (itabs, 24),
                (at("mheap_"), 4096),
                (at("waitReasonStrings"), 128),
                (at("mbuckets"), 8),
                (at("finq"), 8),
                (at("allp"), 24),
            ],
            spans,
            span_size: size("mspan"),
            goroutines,
            g_size: size("g"),
            types: (module.types.start.get(), module.types.end.get()),
            specials,
        }
    }

    fn pick(list: &[u64], dice: &mut Dice) -> u64 {
        list[usize::try_from(dice.below(list.len() as u64)).unwrap()]
    }
}

/// Does to the image what belongs to `seed`, and says what.
pub(crate) fn damage(image: &mut Image, books: &Books, seed: u64) -> String {
    let mut dice = Dice::new(seed);
    let times = 1 << dice.below(9);
    let what = match seed % 8 {
        0 => random_words(image, &mut dice, times * 8),
        1 => pages(image, &mut dice, times.min(64)),
        2 => fields(image, &mut dice, &books.spans, books.span_size, times),
        3 => fields(image, &mut dice, &books.goroutines, books.g_size, times),
        4 => heads(image, books, &mut dice),
        5 => types(image, books, &mut dice, times * 4),
        6 => lists(image, books, &mut dice),
        _ => stacks(image, books, &mut dice, times * 8),
    };
    format!("seed {seed}: {what}")
}

fn put_word(image: &mut Image, dice: &mut Dice, at: u64) {
    let new = dice.word(image, image.word(at));
    image.put(at, &new.to_le_bytes());
}

fn random_words(image: &mut Image, dice: &mut Dice, times: u64) -> String {
    for _ in 0..times {
        let at = image.writable(dice.any()) & !7;
        put_word(image, dice, at);
    }
    format!("{times} words anywhere")
}

fn pages(image: &mut Image, dice: &mut Dice, times: u64) -> String {
    for _ in 0..times {
        let at = image.writable(dice.any()) & !0xfff;
        match dice.below(3) {
            0 => image.put(at, &[0; 4096]),
            1 => image.unmap(at..at + 4096 * dice.below(20)),
            _ => {
                let bytes: Vec<u8> = (0..512).flat_map(|_| dice.any().to_le_bytes()).collect();
                image.put(at, &bytes);
            }
        }
    }
    format!("{times} pages zeroed, scrambled or taken out")
}

fn fields(image: &mut Image, dice: &mut Dice, records: &[u64], size: u64, times: u64) -> String {
    for _ in 0..times {
        let at = Books::pick(records, dice) + (dice.below(size) & !7);
        if dice.below(2) == 0 {
            put_word(image, dice, at);
        } else {
            let narrow = dice.any().to_le_bytes();
            image.put(at + dice.below(4) * 2, &narrow[..2]);
        }
    }
    format!("{times} fields of {} records of {size} bytes", records.len())
}

fn heads(image: &mut Image, books: &Books, dice: &mut Dice) -> String {
    let head = dice.below(books.heads.len() as u64);
    let (at, len) = books.heads[usize::try_from(head).unwrap()];
    let offset = dice.below(len) & !7;
    put_word(image, dice, at + offset);
    format!("word {offset} of head {head}")
}

fn types(image: &mut Image, books: &Books, dice: &mut Dice, times: u64) -> String {
    for _ in 0..times {
        let at = books.types.0 + (dice.below(books.types.1 - books.types.0) & !7);
        put_word(image, dice, at);
    }
    format!("{times} words of type descriptors")
}

/// Lists of special records lead back into themselves, into one another, or anywhere.
fn lists(image: &mut Image, books: &Books, dice: &mut Dice) -> String {
    let times = 1 + dice.below(books.specials.len() as u64);
    for _ in 0..times {
        let (at, to) = (Books::pick(&books.specials, dice), Books::pick(&books.specials, dice));
        let to = if dice.below(4) == 0 { at } else { to };
        image.put(at, &to.to_le_bytes());
    }
    format!("{times} special records linked anew")
}

/// Words of stacks, and registers.
fn stacks(image: &mut Image, books: &Books, dice: &mut Dice, times: u64) -> String {
    for _ in 0..times {
        let g = Books::pick(&books.goroutines, dice);
        let (low, high) = (image.word(g), image.word(g + 8));
        if low < high {
            let at = low + (dice.below(high - low) & !7);
            put_word(image, dice, at);
        }
    }
    format!("{times} words of stacks")
}
