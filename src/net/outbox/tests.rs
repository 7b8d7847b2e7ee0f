//! Compares the outbox with a model: wherever its bytes wait, each connection's bytes are sent in order and once.

use std::io;

use super::*;
use crate::slots::Slots;

const CAPACITY: u16 = 2_000;

/// A connection as the outbox sees it, with all bytes that were written to it, and that the model kernel took.
struct Model {
    id: SocketId,
    unsent: Unsent,
    written: Vec<u8>,
    sent: Vec<u8>,
}

impl Model {
    /// A write to the model kernel, which takes at most `most` bytes. If `most` is `None`, the write fails.
    fn kernel(
        sent: &mut Vec<u8>,
        most: Option<usize>,
        slices: &[IoSlice<'_>],
    ) -> io::Result<usize> {
        let most = most.ok_or(io::ErrorKind::WouldBlock)?;
        let offered: Vec<u8> = slices.iter().flat_map(|slice| slice.to_vec()).collect();
        let taken = most.min(offered.len());
        sent.extend_from_slice(&offered[..taken]);
        Ok(taken)
    }

    /// Flushes the connection, by the fast path if it has a span.
    fn flush(&mut self, outbox: &mut Outbox, most: Option<usize>) {
        let Self { unsent, sent, .. } = self;
        let piece = outbox.take_piece(unsent, |bytes, _| {
            Self::kernel(sent, most, &[IoSlice::new(bytes)])
        });
        if piece.is_none() {
            let _ = outbox.take(unsent, b"", |slices, _| Self::kernel(sent, most, slices));
        }
    }

    /// Offers the queue and then `bytes` to the model kernel. Unless the write `fits`, drops the rest, as a limit does.
    fn write_at_once(
        &mut self,
        outbox: &mut Outbox,
        bytes: &[u8],
        most: Option<usize>,
        fits: bool,
    ) {
        let Self { unsent, sent, .. } = self;
        let taken = outbox.take(unsent, bytes, |slices, _| Self::kernel(sent, most, slices));
        let of_tail = taken.map_or(0, |taken| taken.of_tail);
        if fits {
            outbox.put(unsent, Payload::Borrowed(bytes), of_tail);
        }
        let accepted = if fits { bytes.len() } else { of_tail };
        self.written.extend_from_slice(&bytes[..accepted]);
    }

    fn end_callback(&mut self, outbox: &mut Outbox, most: Option<usize>) {
        if !outbox.end_callback() {
            return;
        }
        let Self { unsent, sent, .. } = self;
        let taken = outbox.take_own(unsent, |bytes| {
            let result = Self::kernel(sent, most, &[IoSlice::new(bytes)]);
            match result {
                Ok(taken) if taken == bytes.len() => Ok(()),
                result => Err(result),
            }
        });
        if let Err(result) = taken {
            let _ = outbox.take_rest(unsent, |_, _| result);
        }
    }

    fn check(&self, outbox: &Outbox) {
        let own = outbox.own_bytes(self.id);
        assert_eq!(
            self.unsent.written() + own as u64,
            self.written.len() as u64
        );
        assert_eq!(
            self.sent.len() + self.unsent.len() + own,
            self.written.len()
        );
    }
}

/// Checks that the outbox's level is the sum of the unsent bytes of all connections and of the gathered bytes.
fn check_level(models: &[Model], outbox: &Outbox) {
    let sum = |model: &Model| model.unsent.len() + outbox.own_bytes(model.id);
    let gathered = outbox.gathered_bytes();
    let own: usize = models.iter().map(|model| outbox.own_bytes(model.id)).sum();
    let unsent: usize = models.iter().map(sum).sum();
    assert_eq!(outbox.waiting(), unsent - own + gathered);
}

fn random_bytes(random: &mut fastrand::Rng) -> Vec<u8> {
    let longest = [8, 100, 3_000][random.usize(0..3)];
    (0..random.usize(1..=longest))
        .map(|_| random.u8(0..3))
        .collect()
}

#[test]
fn every_connection_is_sent_its_own_bytes_in_order_and_once() {
    for seed in 0..20 {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut outbox = Outbox::new(1 << 20, None);
        let mut slots = Slots::new();
        let mut models: Vec<Model> = (0..12)
            .map(|_| Model {
                id: SocketId(slots.insert(())),
                unsent: Unsent::new(),
                written: Vec::new(),
                sent: Vec::new(),
            })
            .collect();
        for _ in 0..200 {
            let caller = random.usize(0..models.len());
            let is_idle = models[caller].unsent.is_empty();
            outbox.begin_callback(models[caller].id, if is_idle { CAPACITY } else { 0 });
            for _ in 0..random.usize(0..4) {
                outbox.begin_broadcast();
                let bytes = random_bytes(&mut random);
                let is_broadcast = random.bool();
                let receives = |place: &usize| match is_broadcast {
                    true => random.u8(0..8) > 0,
                    false => *place == caller,
                };
                let mut receivers = (0..models.len()).filter(receives);
                loop {
                    let mut moves = outbox.span_moves();
                    let receiver = receivers.by_ref().find(|&place| {
                        let model = &mut models[place];
                        model.written.extend_from_slice(&bytes);
                        !is_broadcast || !moves.advance(&mut model.unsent)
                    });
                    drop(moves);
                    let Some(receiver) = receiver else {
                        break;
                    };
                    let model = &mut models[receiver];
                    let put = outbox.put_own(model.id, &bytes)
                        || outbox.put_own_in_longer(model.id, &bytes)
                        || outbox.extend_span(&mut model.unsent, &bytes);
                    if put {
                        continue;
                    }
                    outbox.move_to_queue(model.id, &mut model.unsent);
                    let is_idle = model.unsent.is_empty();
                    if !is_idle || !outbox.begin_span(&mut model.unsent, &bytes, CAPACITY) {
                        outbox.put(&mut model.unsent, Payload::Owned(bytes.clone()), 0);
                    }
                }
            }
            if random.u8(0..8) == 0 {
                let id = models[caller].id;
                outbox.move_to_queue(id, &mut models[caller].unsent);
            }
            models.iter().for_each(|model| model.check(&outbox));
            check_level(&models, &outbox);
            let most = |random: &mut fastrand::Rng| match random.u8(0..4) {
                0 => None,
                1 => Some(random.usize(0..500)),
                _ => Some(usize::MAX),
            };
            models[caller].end_callback(&mut outbox, most(&mut random));
            for model in &mut models {
                if random.bool() {
                    model.flush(&mut outbox, most(&mut random));
                }
                if random.u8(0..8) == 0 {
                    let bytes = random_bytes(&mut random);
                    let (most, fits) = (most(&mut random), random.bool());
                    model.write_at_once(&mut outbox, &bytes, most, fits);
                }
                model.check(&outbox);
            }
            check_level(&models, &outbox);
        }
        for model in &mut models {
            model.flush(&mut outbox, Some(usize::MAX));
            while !model.unsent.is_empty() {
                model.flush(&mut outbox, Some(usize::MAX));
            }
            assert_eq!(model.sent, model.written, "seed {seed}");
        }
    }
}
