//! What several sockets are to be sent in this turn, kept once for all of them.
//!
//! A room of a thousand members, sixteen of whom speak in one turn, makes sixteen thousand writes and a thousand sends.
//! So a write to a socket whose callback does not run must cost next to nothing, and what a member is sent must lie in
//! one piece. Both come of one idea: words are put down one behind the other, and a member only remembers from where
//! to where its part goes. A word that stands there already is not put down again; it only moves the end of the part.

/// How many rooms may speak in one turn: words of different rooms do not lie together. A further room is sent what it
/// says from the queues of its members.
const STRANDS: usize = 4;

/// How much one room may say in one turn before its members' queues take over: what two bytes count.
const STRAND_BYTES: usize = u16::MAX as usize;

/// The words of a turn.
#[derive(Debug, Default)]
pub(crate) struct Broadcast {
    strands: [Strand; STRANDS],
    /// Invariant: the strands before it have words, and no others.
    used: u8,
    /// The strand that a word was put down in last.
    recent: u8,
    /// How many parts there are. Invariant: without any, no strand has words.
    parts: usize,
    /// How the word that is being broadcast has moved a part. Invariant: of the words that lie here now.
    step: Option<Step>,
}

/// What one room says, from the first word to the last.
#[derive(Debug, Default)]
struct Strand {
    bytes: Vec<u8>,
    /// Where the last word begins.
    last_start: usize,
}

/// From where to where a part was moved by a word. Whose part ends at the same place is moved by the same word in the
/// same way, without a look at either.
#[derive(Clone, Copy, Debug)]
struct Step {
    strand: u8,
    /// Invariant: not zero, where only an empty part ends.
    from: u16,
    to: u16,
}

/// The part of the words that one socket is to be sent, and that the kernel was not offered yet.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Part {
    start: u16,
    /// Invariant: `start..end` lies within the strand.
    end: u16,
    /// Where the part must end before: beyond it the socket would not just answer `Open`.
    limit: u16,
    strand: u8,
}

impl Part {
    /// Lets no more words be put behind.
    pub(crate) fn seal(&mut self) {
        self.limit = self.end;
    }

    #[inline]
    pub(crate) fn is_empty(self) -> bool {
        self.start == self.end
    }

    #[inline]
    pub(crate) fn len(self) -> usize {
        usize::from(self.end - self.start)
    }
}

impl Broadcast {
    /// The part of a socket that is to be sent `word` and nothing else, and takes less than `most` bytes; `None`
    /// if `word` must be queued.
    #[inline]
    pub(crate) fn begin(&mut self, word: &[u8], most: usize) -> Option<Part> {
        if word.is_empty() || word.len() >= most {
            return None;
        }
        let recent = &self.strands[usize::from(self.recent)];
        if self.used == 0 || recent.bytes[recent.last_start..] != *word {
            self.recent = self.open(word)?;
        }
        self.parts += 1;
        let strand = &self.strands[usize::from(self.recent)];
        let start = offset(strand.last_start);
        Some(Part {
            start,
            end: offset(strand.bytes.len()),
            limit: start.saturating_add(u16::try_from(most).unwrap_or(u16::MAX)),
            strand: self.recent,
        })
    }

    /// Puts `word` behind the others of `part`, which is not empty, and says whether it could.
    #[inline]
    pub(crate) fn extend(&mut self, part: &mut Part, word: &[u8]) -> bool {
        if word.len() >= usize::from(part.limit - part.end) {
            return false;
        }
        let strand = &mut self.strands[usize::from(part.strand)];
        let further = &strand.bytes[usize::from(part.end)..];
        if further.is_empty() {
            if !strand.put(word) {
                return false;
            }
            self.recent = part.strand;
        } else if !further.starts_with(word) {
            return false;
        }
        let to = part.end + offset(word.len());
        self.step = Some(Step {
            strand: part.strand,
            from: std::mem::replace(&mut part.end, to),
            to,
        });
        true
    }

    /// One word is about to be given to many: how the one before it moved parts is of no use.
    #[inline]
    pub(crate) fn begin_word(&mut self) {
        self.step = None;
    }

    /// Moves `part` as the same word has moved another's since [`begin_word`](Self::begin_word), if they end at the same
    /// place, and says whether they do.
    #[inline]
    pub(crate) fn follow(&self, part: &mut Part) -> bool {
        let Some(step) = self.step else { return false };
        let follows = part.strand == step.strand && part.end == step.from && step.to < part.limit;
        if follows {
            part.end = step.to;
        }
        follows
    }

    /// What is to be sent for `part`.
    #[inline]
    pub(crate) fn bytes(&self, part: Part) -> &[u8] {
        &self.strands[usize::from(part.strand)].bytes
            [usize::from(part.start)..usize::from(part.end)]
    }

    /// `part`, which is not empty, was sent or queued.
    #[inline]
    pub(crate) fn release(&mut self, part: Part) {
        debug_assert!(!part.is_empty());
        self.parts -= 1;
        if self.parts == 0 {
            for strand in &mut self.strands[..usize::from(self.used)] {
                strand.bytes.clear();
            }
            self.used = 0;
            self.step = None;
        }
    }

    pub(crate) fn shrink(&mut self) {
        for strand in &mut self.strands {
            strand.bytes.shrink_to_fit();
        }
    }

    /// Gives a room that begins to speak a strand of its own, if there is one.
    fn open(&mut self, word: &[u8]) -> Option<u8> {
        let strand = self.strands.get_mut(usize::from(self.used))?;
        if !strand.put(word) {
            return None;
        }
        self.used += 1;
        Some(self.used - 1)
    }
}

impl Strand {
    fn put(&mut self, word: &[u8]) -> bool {
        let fits = self.bytes.len() + word.len() <= STRAND_BYTES;
        if fits {
            self.last_start = self.bytes.len();
            self.bytes.extend_from_slice(word);
        }
        fits
    }
}

fn offset(bytes: usize) -> u16 {
    u16::try_from(bytes).expect("a strand is shorter than 64 KiB")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_all_members_of_a_room_hear_lies_there_once() {
        let mut broadcast = Broadcast::default();
        let words: [&[u8]; 3] = [b"one", b"two", b"three"];
        let mut parts = [Part::default(); 10];
        for word in words {
            for part in &mut parts {
                if part.is_empty() {
                    *part = broadcast.begin(word, 100).unwrap();
                } else {
                    assert!(broadcast.extend(part, word));
                }
            }
        }
        assert_eq!(broadcast.strands[0].bytes, b"onetwothree");
        for part in parts {
            assert_eq!(broadcast.bytes(part), b"onetwothree");
            assert_eq!(part.len(), 11);
            broadcast.release(part);
        }
        assert_eq!((broadcast.used, broadcast.parts), (0, 0));
        assert_eq!(broadcast.strands[0].bytes, b"");
    }

    #[test]
    fn the_speaker_who_does_not_hear_itself_hears_the_others_until_then() {
        let mut broadcast = Broadcast::default();
        let mut listener = broadcast.begin(b"a", 100).unwrap();
        let mut speaker = broadcast.begin(b"a", 100).unwrap();
        assert!(broadcast.extend(&mut listener, b"mine"));
        assert!(broadcast.extend(&mut listener, b"next"));
        assert!(!broadcast.extend(&mut speaker, b"next"), "a gap");
        assert_eq!(broadcast.bytes(speaker), b"a");
        assert_eq!(broadcast.bytes(listener), b"aminenext");
    }

    #[test]
    fn random_rooms_hear_what_was_said_to_them() {
        for seed in 0..200 {
            let mut random = fastrand::Rng::with_seed(seed);
            let mut broadcast = Broadcast::default();
            let mut members = vec![(Part::default(), Vec::new()); 40];
            for step in 0..3_000 {
                let word: Vec<u8> = (0..random.usize(1..60)).map(|_| random.u8(0..3)).collect();
                let most = random.usize(1..2_000);
                let rooms = random.usize(1..7);
                let room = random.usize(0..rooms);
                broadcast.begin_word();
                for (index, (part, heard)) in members.iter_mut().enumerate() {
                    if index % rooms != room || random.u8(0..20) == 0 {
                        continue;
                    }
                    let took = if broadcast.follow(part) {
                        true
                    } else if part.is_empty() {
                        let begun = broadcast.begin(&word, most);
                        begun.map(|begun| *part = begun).is_some()
                    } else {
                        broadcast.extend(part, &word)
                    };
                    if took {
                        heard.extend_from_slice(&word);
                        assert!(part.end < part.limit, "seed {seed}, step {step}");
                    }
                }
                let sends = if random.u8(0..10) == 0 { 40 } else { 3 };
                for _ in 0..sends {
                    let (part, heard) = &mut members[random.usize(0..40)];
                    if !part.is_empty() {
                        assert_eq!(broadcast.bytes(*part), heard, "seed {seed}, step {step}");
                        broadcast.release(std::mem::take(part));
                        heard.clear();
                    }
                }
                let parts = members.iter().filter(|(part, _)| !part.is_empty()).count();
                assert_eq!(broadcast.parts, parts, "seed {seed}, step {step}");
                assert_eq!(broadcast.used == 0, parts == 0);
                for strand in &broadcast.strands {
                    assert!(strand.bytes.len() <= STRAND_BYTES);
                }
            }
        }
    }
}
