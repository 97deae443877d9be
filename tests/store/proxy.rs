//! A proxy that stands between the program and a store and does what networks do.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// What goes wrong with a request.
pub enum Fault {
    /// The answer is an error of this status, and the store is not asked.
    Status(u16),
    /// The answer takes its time.
    Slow(Duration),
    /// The store does what it is asked, and its answer does not arrive.
    ReplyLost,
    /// So many bytes of the answer's body arrive.
    CutAfter(usize),
    /// Something else happens just before the store is asked.
    Meanwhile(Box<dyn FnMut() + Send>),
}

/// Which requests a fault is for.
pub struct Rule {
    method: &'static str,
    part_of_path: String,
    /// Requests that come before the first that it is for.
    skip: usize,
    times: usize,
    fault: Fault,
}

/// A request that passed.
#[derive(Clone, Debug)]
pub struct Passed {
    pub method: String,
    pub path: String,
    pub head: String,
    /// Of the answer as the client got it.
    pub body_bytes: usize,
}

pub struct Proxy {
    port: u16,
    rules: Arc<Mutex<Vec<Rule>>>,
    passed: Arc<Mutex<Vec<Passed>>>,
}

impl Proxy {
    pub fn before(store: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (rules, passed) = (Arc::<Mutex<Vec<Rule>>>::default(), Arc::default());
        let shared = (Arc::clone(&rules), Arc::clone(&passed));
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let (rules, passed) = (Arc::clone(&shared.0), Arc::clone(&shared.1));
                thread::spawn(move || serve(client, store, &rules, &passed));
            }
        });
        Self { port, rules, passed }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// The next `times` requests of a kind fail.
    pub fn fail(&self, method: &'static str, path: &str, times: usize, fault: Fault) {
        self.fail_behind(0, method, path, times, fault);
    }

    /// The same, behind some that do not.
    pub fn fail_behind(
        &self,
        skip: usize,
        method: &'static str,
        path: &str,
        times: usize,
        fault: Fault,
    ) {
        let part_of_path = path.to_owned();
        self.rules.lock().unwrap().push(Rule { method, part_of_path, skip, times, fault });
    }

    /// Whether every fault came to pass at least once.
    pub fn all_faults_came_to_pass(&self) -> bool {
        self.rules.lock().unwrap().iter().all(|rule| rule.times == 0)
    }

    pub fn passed(&self, method: &str, path: &str) -> Vec<Passed> {
        let passed = self.passed.lock().unwrap();
        let wanted = |it: &&Passed| it.method == method && it.path.contains(path);
        passed.iter().filter(wanted).cloned().collect()
    }
}

/// A message's head, and what of its body came with it.
fn read_head(stream: &mut TcpStream) -> Option<(String, Vec<u8>)> {
    let mut read = Vec::new();
    let mut buffer = [0; 8192];
    loop {
        if let Some(end) = read.windows(4).position(|it| it == b"\r\n\r\n") {
            let body = read.split_off(end + 4);
            return Some((String::from_utf8(read).ok()?, body));
        }
        match stream.read(&mut buffer) {
            Ok(count) if count > 0 => read.extend_from_slice(&buffer[..count]),
            _ => return None,
        }
    }
}

pub fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let lines = head.lines().filter_map(|line| line.split_once(':'));
    lines.into_iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|it| it.1.trim())
}

fn serve(
    mut client: TcpStream,
    store: u16,
    rules: &Mutex<Vec<Rule>>,
    passed: &Mutex<Vec<Passed>>,
) -> Option<()> {
    let (head, mut body) = read_head(&mut client)?;
    let length = header(&head, "content-length").and_then(|it| it.parse().ok()).unwrap_or(0);
    let mut rest = vec![0; length - body.len()];
    client.read_exact(&mut rest).ok()?;
    body.extend(rest);
    let mut words = head.split(' ').map(str::to_owned);
    let (method, path) = (words.next()?, words.next()?);

    let mut cut = None;
    let mut is_lost = false;
    let mut wait = Duration::ZERO;
    {
        let mut rules = rules.lock().unwrap();
        let is_meant = |rule: &&mut Rule| {
            rule.times > 0 && rule.method == method && path.contains(&rule.part_of_path)
        };
        if let Some(rule) = rules.iter_mut().find(is_meant) {
            if rule.skip > 0 {
                rule.skip -= 1;
            } else {
                rule.times -= 1;
                match &mut rule.fault {
                    Fault::Status(status) => {
                        let answer = format!(
                            "HTTP/1.1 {status} Injected\r\ncontent-length: 0\r\n\
                             connection: close\r\n\r\n"
                        );
                        let body_bytes = 0;
                        passed.lock().unwrap().push(Passed { method, path, head, body_bytes });
                        return client.write_all(answer.as_bytes()).ok();
                    }
                    Fault::Slow(duration) => wait = *duration,
                    Fault::ReplyLost => is_lost = true,
                    Fault::CutAfter(bytes) => cut = Some(*bytes),
                    Fault::Meanwhile(act) => act(),
                }
            }
        }
    }
    thread::sleep(wait);
    let mut upstream = TcpStream::connect(("127.0.0.1", store)).ok()?;
    let lines = head.lines().filter(|line| !line.to_lowercase().starts_with("connection:"));
    let mut request: String =
        lines.filter(|line| !line.is_empty()).fold(String::new(), |mut request, line| {
            request += line;
            request += "\r\n";
            request
        });
    request += "connection: close\r\n\r\n";
    upstream.write_all(request.as_bytes()).ok()?;
    upstream.write_all(&body).ok()?;
    let (answer, mut answer_body) = read_head(&mut upstream)?;
    upstream.read_to_end(&mut answer_body).ok()?;
    if is_lost {
        return client.shutdown(Shutdown::Both).ok();
    }
    let sent = cut.map_or(answer_body.len(), |cut| cut.min(answer_body.len()));
    passed.lock().unwrap().push(Passed { method, path, head, body_bytes: sent });
    client.write_all(answer.as_bytes()).ok()?;
    client.write_all(&answer_body[..sent]).ok()?;
    client.shutdown(Shutdown::Both).ok()
}
