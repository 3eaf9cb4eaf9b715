//! Which session a STUN request asks for, read before anything is believed: the session itself checks the request's integrity.

const HEADER_BYTES: usize = 20;
const MAGIC_COOKIE: [u8; 4] = [0x21, 0x12, 0xA4, 0x42];
const USERNAME: u16 = 0x0006;

/// Whether a datagram is STUN by its first byte (RFC 7983 section 7).
pub(super) fn is_stun(datagram: &[u8]) -> bool {
    datagram.first().is_some_and(|first| *first < 4)
}

/// Names one check.
pub(super) type Transaction = [u8; 12];

/// The transaction id of a STUN message (RFC 8489 section 5).
pub(super) fn transaction(datagram: &[u8]) -> Option<Transaction> {
    datagram.get(8..HEADER_BYTES)?.try_into().ok()
}

/// The part of the USERNAME before the colon: the receiver's name (RFC 8445 section 7.2.2). `None` when there is none.
pub(super) fn receiver(datagram: &[u8]) -> Option<&str> {
    let (header, mut rest) = datagram.split_at_checked(HEADER_BYTES)?;
    if header.get(4..8)? != MAGIC_COOKIE {
        return None;
    }
    loop {
        let (head, after) = rest.split_at_checked(4)?;
        let [kind_high, kind_low, length_high, length_low] = *head else { return None };
        let length = usize::from(u16::from_be_bytes([length_high, length_low]));
        let value = after.get(..length)?;
        if u16::from_be_bytes([kind_high, kind_low]) == USERNAME {
            return std::str::from_utf8(value).ok()?.split_once(':').map(|(receiver, _)| receiver);
        }
        rest = after.get(length.next_multiple_of(4)..)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(attributes: &[(u16, &[u8])]) -> Vec<u8> {
        let mut datagram = vec![0, 1, 0, 0];
        datagram.extend(MAGIC_COOKIE);
        datagram.extend([7; 12]);
        for (kind, value) in attributes {
            datagram.extend(kind.to_be_bytes());
            datagram.extend((value.len() as u16).to_be_bytes());
            datagram.extend(*value);
            datagram.resize(datagram.len().next_multiple_of(4), 0);
        }
        datagram
    }

    #[test]
    fn finds_the_receiver_behind_other_attributes() {
        let datagram = request(&[(0x8022, b"agent"), (USERNAME, b"server:client"), (0x8028, b"1234")]);
        assert_eq!(receiver(&datagram), Some("server"));
    }

    #[test]
    fn nonsense_is_nobody() {
        assert_eq!(receiver(&request(&[])), None);
        assert_eq!(receiver(&request(&[(USERNAME, b"no colon")])), None);
        assert_eq!(receiver(&request(&[(USERNAME, b"\xff:\xff")])), None);
        let whole = request(&[(USERNAME, b"server:client")]);
        for cut in 0..33 {
            assert_eq!(receiver(&whole[..cut]), None, "{cut}");
        }
    }
}
