//! Messages of DNS (RFC 1035), as far as a server of addresses needs them. Nothing here panics on any bytes.

use std::net::IpAddr;

use crate::table::Table;

/// The longest message that a client takes by UDP if it does not say otherwise. A longer answer is cut, and says so: the client
/// then asks by TCP.
pub(crate) const LONGEST_OVER_UDP: usize = 512;

const HEADER: usize = 12;

/// The seconds for which a resolver may keep an answer.
const TIME_TO_LIVE: u32 = 60;

/// The bits of the third and the fourth byte of the header.
const IS_ANSWER: u8 = 0x80;
const OPCODE: u8 = 0x78;
const IS_AUTHORITY: u8 = 0x04;
const IS_CUT: u8 = 0x02;
const WANTS_RECURSION: u8 = 0x01;
const FORMAT_ERROR: u8 = 1;
const NO_SUCH_NAME: u8 = 3;
const NOT_IMPLEMENTED: u8 = 4;

const TYPE_A: u16 = 1;
const TYPE_AAAA: u16 = 28;
const TYPE_ANY: u16 = 255;
const CLASS_INTERNET: u16 = 1;

struct Question {
    /// The name, in lower case and with dots.
    name: String,
    kind: u16,
    class: u16,
    /// The place after the question.
    end: usize,
}

/// Writes the answer to `message` into `answer`, with at most `longest` bytes. Returns `false` if `message` is no question, and
/// must not be answered.
pub(crate) fn answer(message: &[u8], table: &Table, longest: usize, answer: &mut Vec<u8>) -> bool {
    let Some(header) = message.first_chunk::<HEADER>() else {
        return false;
    };
    // Two servers that answered answers would do so for ever.
    if header[2] & IS_ANSWER != 0 {
        return false;
    }
    answer.clear();
    answer.extend_from_slice(&header[..2]);
    let repeated = header[2] & (OPCODE | WANTS_RECURSION);
    answer.extend([repeated | IS_ANSWER | IS_AUTHORITY, 0]);
    answer.extend([0; 8]);
    if header[2] & OPCODE != 0 {
        answer[3] = NOT_IMPLEMENTED;
        return true;
    }
    let question = match header[4..6] {
        [0, 1] => parse_question(message),
        _ => None,
    };
    let Some(question) = question else {
        answer[3] = FORMAT_ERROR;
        return true;
    };
    answer[5] = 1;
    answer.extend_from_slice(&message[HEADER..question.end]);
    let addresses = match question.class {
        CLASS_INTERNET => table.addresses(&question.name),
        _ => None,
    };
    let Some(addresses) = addresses else {
        answer[3] = NO_SUCH_NAME;
        return true;
    };
    let mut count = 0_u16;
    for address in addresses {
        if question.kind != TYPE_ANY && question.kind != kind_of(*address) {
            continue;
        }
        let before = answer.len();
        write_record(answer, *address);
        if answer.len() > longest {
            answer.truncate(before);
            answer[2] |= IS_CUT;
            break;
        }
        count += 1;
    }
    answer[6..8].copy_from_slice(&count.to_be_bytes());
    true
}

fn kind_of(address: IpAddr) -> u16 {
    match address {
        IpAddr::V4(_) => TYPE_A,
        IpAddr::V6(_) => TYPE_AAAA,
    }
}

fn write_record(answer: &mut Vec<u8>, address: IpAddr) {
    // The name is that of the question, by its place in the message.
    answer.extend([0xC0, 0x0C]);
    answer.extend(kind_of(address).to_be_bytes());
    answer.extend(CLASS_INTERNET.to_be_bytes());
    answer.extend(TIME_TO_LIVE.to_be_bytes());
    match address {
        IpAddr::V4(address) => {
            answer.extend(4_u16.to_be_bytes());
            answer.extend(address.octets());
        }
        IpAddr::V6(address) => {
            answer.extend(16_u16.to_be_bytes());
            answer.extend(address.octets());
        }
    }
}

fn parse_question(message: &[u8]) -> Option<Question> {
    let mut name = String::new();
    let mut at = HEADER;
    loop {
        let length = usize::from(*message.get(at)?);
        at += 1;
        match length {
            0 => break,
            // A question has no name before it that it could point to.
            1..64 => {
                let label = message.get(at..at + length)?;
                if !name.is_empty() {
                    name.push('.');
                }
                name.extend(
                    label
                        .iter()
                        .map(|byte| char::from(byte.to_ascii_lowercase())),
                );
                at += length;
            }
            _ => return None,
        }
        if at > HEADER + 255 {
            return None;
        }
    }
    let number = |at: usize| {
        let bytes = message.get(at..at + 2)?;
        Some(u16::from_be_bytes([bytes[0], bytes[1]]))
    };
    Some(Question {
        name,
        kind: number(at)?,
        class: number(at + 2)?,
        end: at + 4,
    })
}
