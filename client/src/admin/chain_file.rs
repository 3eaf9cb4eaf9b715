//! The chain as a file: a first line that names the format, then each statement with its length before it.
use prost::Message;
use wardline_directory::limit::STATEMENT_BODY_BYTES_MAX;
use wardline_protocol::frame::{self, Decoder};
use wardline_protocol::wire::Statement;

const HEADER: &[u8] = b"wardline statements v1\n";
const STATEMENT_BYTES_MAX: usize = STATEMENT_BODY_BYTES_MAX + 128;

/// The file's bytes. Errors when a statement is above its limit, which the directory does not let happen.
pub fn encode(statements: &[Statement]) -> Result<Vec<u8>, &'static str> {
    let bytes = statements.iter().map(Message::encoded_len).sum::<usize>() + statements.len() * frame::PREFIX_BYTES;
    let mut file = Vec::with_capacity(HEADER.len() + bytes);
    file.extend_from_slice(HEADER);
    for statement in statements {
        file.extend_from_slice(&frame::encode(statement, STATEMENT_BYTES_MAX).map_err(|_| "a statement is too large")?);
    }
    Ok(file)
}

/// Reads what [`encode`] wrote. Signatures are not checked here.
pub fn decode(file: &[u8]) -> Result<Vec<Statement>, &'static str> {
    let statements = file.strip_prefix(HEADER).ok_or("not a file of statements")?;
    let mut decoder = Decoder::new(STATEMENT_BYTES_MAX);
    decoder.push(statements);
    let (mut read, mut bytes) = (Vec::new(), 0);
    while let Some(frame) = decoder.next_frame().map_err(|_| "a statement is too large")? {
        bytes += frame::PREFIX_BYTES + frame.len();
        read.push(frame::decode(&frame).map_err(|_| "a statement does not decode")?);
    }
    if bytes == statements.len() { Ok(read) } else { Err("the file ends in the middle of a statement") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn statement(n: u8) -> Statement {
        Statement { body: vec![n; usize::from(n)].into(), signature: vec![n; 64].into() }
    }

    #[test]
    fn what_is_cut_off_is_noticed() {
        let file = encode(&[statement(1), statement(200)]).unwrap();
        assert_eq!(decode(&file).unwrap(), [statement(1), statement(200)]);
        for length in (0..file.len()).filter(|length| *length != HEADER.len() + 4 + 5 + 64) {
            assert!(decode(&file[..length]).is_err() || length == HEADER.len(), "{length}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = decode(&[HEADER, &bytes].concat());
            prop_assert!(decode(&bytes).is_err());
        }
    }
}
