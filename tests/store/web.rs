//! A web server with a few files, as the stores of other clouds answer a plain read too.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use super::proxy::header;

/// What the server says of a file besides its bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Tag {
    Strong,
    Weak,
    None,
}

type Files = Arc<Mutex<HashMap<String, Vec<u8>>>>;

pub struct Web {
    port: u16,
    files: Files,
}

impl Web {
    pub fn begin(tag: Tag) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let files = Files::default();
        let shared = Arc::clone(&files);
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let files = Arc::clone(&shared);
                thread::spawn(move || serve(client, &files, tag));
            }
        });
        Self { port, files }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn put(&self, path: &str, bytes: Vec<u8>) {
        self.files.lock().unwrap().insert(path.to_owned(), bytes);
    }
}

/// Clients encode more of a path than they must, and each other letters.
fn decoded(path: &str) -> String {
    let mut parts = path.split('%');
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        text.push(char::from(u8::from_str_radix(&part[..2], 16).unwrap()));
        text += &part[2..];
    }
    text
}

fn serve(mut client: TcpStream, files: &Files, tag: Tag) -> Option<()> {
    let mut head = String::new();
    let mut reader = BufReader::new(client.try_clone().ok()?);
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    let mut words = head.split(' ');
    let (method, path) = (words.next()?, decoded(words.next()?.split('?').next()?));
    let found = files.lock().unwrap().get(&path).cloned();
    let Some(bytes) = found else {
        let answer = "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
        return client.write_all(answer.as_bytes()).ok();
    };
    let named = format!("\"{}\"", &blake3::hash(&bytes).to_hex()[..16]);
    if header(&head, "if-match").is_some_and(|wanted| wanted != named) {
        let answer =
            "HTTP/1.1 412 Precondition Failed\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
        return client.write_all(answer.as_bytes()).ok();
    }
    let range = header(&head, "range").and_then(|range| {
        let (start, end) = range.strip_prefix("bytes=")?.split_once('-')?;
        Some(start.parse::<usize>().ok()?..(end.parse::<usize>().ok()? + 1).min(bytes.len()))
    });
    let (status, content_range, part) = match range {
        Some(range) => {
            let said = format!(
                "content-range: bytes {}-{}/{}\r\n",
                range.start,
                range.end - 1,
                bytes.len()
            );
            ("206 Partial Content", said, &bytes[range])
        }
        None => ("200 OK", String::new(), &bytes[..]),
    };
    let tag = match tag {
        Tag::Strong => format!("etag: {named}\r\n"),
        Tag::Weak => format!("etag: W/{named}\r\n"),
        Tag::None => String::new(),
    };
    let now = jiff::fmt::rfc2822::DateTimePrinter::new()
        .timestamp_to_rfc9110_string(&jiff::Timestamp::now());
    let answer = format!(
        "HTTP/1.1 {status}\r\ncontent-length: {}\r\n{content_range}{tag}last-modified: {}\r\n\
         connection: close\r\n\r\n",
        part.len(),
        now.unwrap(),
    );
    client.write_all(answer.as_bytes()).ok()?;
    if method == "HEAD" { Some(()) } else { client.write_all(part).ok() }
}
