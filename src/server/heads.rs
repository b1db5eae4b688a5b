//! Where one request ends and the next begins, if that is certain.
//!
//! hyper takes what RFC 9112 lets a server repair: a lone LF for a line's end, Content-Length beside
//! Transfer-Encoding, two equal lengths. Whoever stands between us and the client may repair it another
//! way, and then the end of one request is the beginning of another for one of the two. So each head is
//! looked at before hyper gets it, and what would have to be repaired is refused.

/// How much of a line is looked at, in bytes: enough for the lines that say how long a body is.
const LOOKED_AT: usize = 64;
/// What hyper is given in place of the line that is refused: no line of a head may have a NUL. It
/// answers 400, and closes.
pub(super) const REFUSAL: &[u8] = b"\0\r\n\r\n";

/// How the body of a request ends (RFC 9112 section 6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Body {
    /// After so many bytes.
    Length(u64),
    /// After its last chunk.
    Chunked,
}

/// What comes next on a connection.
#[derive(Clone, Copy, Debug)]
enum Next {
    /// A line of a head.
    Line,
    /// So many bytes of a body.
    Body(u64),
    /// Chunks, after which the connection ends: [`answer`](super::answer) sees to that.
    Chunks,
}

/// Why a request is refused, and from which of the bytes that were read last.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refused {
    pub(super) at: usize,
    pub(super) why: &'static str,
}

/// The requests on one connection, as far as they were read.
#[derive(Debug)]
pub(super) struct Requests {
    next: Next,
    /// The beginning of the line that is being read.
    line: [u8; LOOKED_AT],
    /// How many bytes that line has so far.
    length: usize,
    /// The last of them.
    last: u8,
    /// The head that is being read has its request line already.
    has_begun: bool,
    /// What that head says of the request's body.
    body: Option<Body>,
}

impl Requests {
    pub(super) fn new() -> Self {
        Self {
            next: Next::Line,
            line: [0; LOOKED_AT],
            length: 0,
            last: 0,
            has_begun: false,
            body: None,
        }
    }

    /// Reads on.
    pub(super) fn read(&mut self, bytes: &[u8]) -> Result<(), Refused> {
        let mut at = 0;
        while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
            at += match self.next {
                Next::Chunks => rest.len(),
                Next::Body(left) => {
                    let taken = rest.len().min(usize::try_from(left).unwrap_or(usize::MAX));
                    self.body_follows(left - taken as u64);
                    taken
                }
                Next::Line => match rest.iter().position(|byte| *byte == b'\n') {
                    None => {
                        self.keep(rest);
                        rest.len()
                    }
                    Some(end) => {
                        self.keep(&rest[..end]);
                        self.end_line().map_err(|why| Refused { at, why })?;
                        end + 1
                    }
                },
            };
        }
        Ok(())
    }

    fn body_follows(&mut self, left: u64) {
        self.next = if left == 0 { Next::Line } else { Next::Body(left) };
    }

    fn keep(&mut self, part: &[u8]) {
        let space = self.line.get_mut(self.length..).unwrap_or_default();
        let kept = part.len().min(space.len());
        space[..kept].copy_from_slice(&part[..kept]);
        self.length += part.len();
        self.last = part.last().copied().unwrap_or(self.last);
    }

    /// What the line says whose LF is there now.
    fn end_line(&mut self) -> Result<(), &'static str> {
        let length = std::mem::take(&mut self.length);
        if length == 0 || self.last != b'\r' {
            return Err("a line of its head does not end with CR LF");
        }
        match length - 1 {
            // Empty lines before a request count for nothing.
            0 if !self.has_begun => Ok(()),
            0 => {
                self.has_begun = false;
                match self.body.take() {
                    None => self.next = Next::Line,
                    Some(Body::Length(length)) => self.body_follows(length),
                    Some(Body::Chunked) => self.next = Next::Chunks,
                }
                Ok(())
            }
            _ if !self.has_begun => {
                self.has_begun = true;
                Ok(())
            }
            length => {
                let Some(body) = framing(&self.line[..length.min(LOOKED_AT)])? else {
                    return Ok(());
                };
                if length > LOOKED_AT {
                    return Err("the line that says where its body ends is too long");
                }
                match self.body.replace(body) {
                    None => Ok(()),
                    Some(_) => Err("more than one line says where its body ends"),
                }
            }
        }
    }
}

/// What a line of a head says of the end of the body, where it speaks of it.
fn framing(line: &[u8]) -> Result<Option<Body>, &'static str> {
    let Some(colon) = line.iter().position(|byte| *byte == b':') else {
        return Ok(None);
    };
    let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
    if name.eq_ignore_ascii_case(b"transfer-encoding") {
        return match value.eq_ignore_ascii_case(b"chunked") {
            true => Ok(Some(Body::Chunked)),
            false => Err("its Transfer-Encoding is not `chunked`"),
        };
    }
    if name.eq_ignore_ascii_case(b"content-length") {
        let digits =
            std::str::from_utf8(value).ok().filter(|_| value.iter().all(u8::is_ascii_digit));
        return match digits.and_then(|digits| digits.parse().ok()) {
            Some(length) => Ok(Some(Body::Length(length))),
            None => Err("its Content-Length is no number"),
        };
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LF: &str = "a line of its head does not end with CR LF";
    const TWO: &str = "more than one line says where its body ends";

    /// Reads `text` in pieces of every size; why it is refused, and where in all of it.
    fn read(text: &str) -> Option<(usize, &'static str)> {
        let mut told = Vec::new();
        for size in 1..=text.len() {
            let mut requests = Requests::new();
            let mut pieces = text.as_bytes().chunks(size).enumerate();
            told.push(pieces.find_map(|(n, piece)| {
                let Refused { at, why } = requests.read(piece).err()?;
                let line = text[..n * size + at].rfind('\n').map_or(0, |end| end + 1);
                Some((line, why))
            }));
        }
        assert!(told.iter().all(|it| *it == told[0]), "{told:?}");
        told[0]
    }

    #[test]
    fn lod_08_requests_whose_end_is_certain_are_taken() {
        for text in [
            "\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\n\r\n",
            "POST / HTTP/1.1\r\ncontent-length:\t3 \r\n\r\na\n\nGET / HTTP/1.1\r\n\r\n",
            "POST / HTTP/1.1\r\nContent-Length: 0\r\n\r\nGET / HTTP/1.1\r\n\r\n",
            // What is in chunks is not looked at, and nothing after them is a request.
            "POST / HTTP/1.1\r\nTransfer-Encoding: Chunked\r\n\r\n1\r\n\n\r\n0\r\n\r\nX\n\n",
            "GET /content-length:x HTTP/1.1\r\nX-Content-Length: a\r\nNo colon\r\n\r\n",
        ] {
            assert_eq!(read(text), None, "{text:?}");
        }
    }

    #[test]
    fn lod_08_a_request_whose_end_is_not_certain_is_refused_at_the_line_that_makes_it_so() {
        let spaces = " ".repeat(LOOKED_AT);
        let long = "the line that says where its body ends is too long";
        for (head, line, why) in [
            ("", "\n", LF),
            ("", "POST / HTTP/1.1\n", LF),
            ("POST / HTTP/1.1\r\n", "Host: x\n", LF),
            ("POST / HTTP/1.1\r\nHost: x\r\n", "\n", LF),
            ("POST / HTTP/1.1\r\nHost: x\r\n\r\n", "\n", LF),
            ("POST / HTTP/1.1\r\nContent-Length: 3\r\n", "Transfer-Encoding: chunked\r\n", TWO),
            ("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n", "Content-Length: 3\r\n", TWO),
            ("POST / HTTP/1.1\r\nContent-Length: 3\r\nX: y\r\n", "content-length: 3\r\n", TWO),
            (
                "POST / HTTP/1.1\r\n",
                "Transfer-Encoding: gzip, chunked\r\n",
                "its Transfer-Encoding is not `chunked`",
            ),
            ("POST / HTTP/1.1\r\n", "Content-Length: +3\r\n", "its Content-Length is no number"),
            ("POST / HTTP/1.1\r\n", "Content-Length:\r\n", "its Content-Length is no number"),
            (
                "POST / HTTP/1.1\r\n",
                "Content-Length: 18446744073709551616\r\n",
                "its Content-Length is no number",
            ),
            ("POST / HTTP/1.1\r\n", &format!("Content-Length: 3{spaces}1\r\n"), long),
            ("POST / HTTP/1.1\r\n", &format!("Transfer-Encoding: chunked{spaces}x\r\n"), long),
        ] {
            let text = format!("{head}{line}more\r\n");
            assert_eq!(read(&text), Some((head.len(), why)), "{text:?}");
        }
    }
}
