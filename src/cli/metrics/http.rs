//! `/metrics` and `/healthz`. Nothing else, and nothing that changes anything.
#![forbid(unsafe_code)]

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::mpsc::channel;

use tiny_http::{Header, Method, Request, Response, Server};

use crate::cli::exit::Failure;
use crate::cli::metrics::exposition::{Extent, PageFormat, page};
use crate::cli::metrics::state::SharedState;
use crate::sys::signals::spawn_without_signals;

/// Threads that answer, so that one slow client does not keep others waiting.
const THREADS: usize = 4;

/// Serves until the process ends; returns the address with its real port.
pub fn serve(address: SocketAddr, shared: &Arc<SharedState>) -> Result<SocketAddr, Failure> {
    let cannot = |error: &dyn std::fmt::Display| Failure::failed(format_args!("cannot listen on {address}: {error}"));
    let listener = TcpListener::bind(address).map_err(|error| cannot(&error))?;
    let real = listener.local_addr().map_err(|error| cannot(&error))?;
    // tiny_http's own threads inherit from the thread that starts them that they get no signals.
    let (sender, receiver) = channel();
    let start = move || {
        // The receiver waits below.
        let _ = sender.send(Server::from_listener(listener, None));
    };
    spawn_without_signals("http-start", start).map_err(|error| cannot(&error))?;
    let server = match receiver.recv() {
        Ok(Ok(server)) => Arc::new(server),
        Ok(Err(error)) => return Err(cannot(&error)),
        Err(error) => return Err(cannot(&error)),
    };
    for number in 0..THREADS {
        let (server, shared) = (Arc::clone(&server), Arc::clone(shared));
        let answer_all = move || {
            while let Ok(request) = server.recv() {
                answer(request, &shared);
            }
        };
        spawn_without_signals(&format!("http-{number}"), answer_all).map_err(|error| cannot(&error))?;
    }
    Ok(real)
}

fn answer(request: Request, shared: &Arc<SharedState>) {
    let path = request.url().split('?').next().unwrap_or_default().to_owned();
    let accept = request.headers().iter().find(|header| header.field.equiv("Accept"));
    let format = PageFormat::negotiate(accept.map_or("", |header| header.value.as_str()));
    let (status, content_type, text) = match (request.method(), path.as_str()) {
        (Method::Get | Method::Head, "/metrics") => match page(shared, Extent::All, format) {
            Ok(page) => (200, format.content_type(), page),
            Err(error) => (500, "text/plain; charset=utf-8", format!("{error}\n")),
        },
        (Method::Get | Method::Head, "/healthz") => {
            let (is_healthy, text) = health(shared);
            (if is_healthy { 200 } else { 503 }, "text/plain; charset=utf-8", text)
        }
        (Method::Get | Method::Head, "/") => {
            (200, "text/plain; charset=utf-8", "rsyslog-zmq metrics: /metrics, /healthz\n".to_owned())
        }
        (Method::Get | Method::Head, _) => (404, "text/plain; charset=utf-8", "not found\n".to_owned()),
        _ => (405, "text/plain; charset=utf-8", "only GET and HEAD\n".to_owned()),
    };
    let mut response = Response::from_string(text).with_status_code(status);
    if let Ok(header) = Header::from_bytes("Content-Type", content_type) {
        response.add_header(header);
    }
    // A client that has gone needs no answer.
    let _ = request.respond(response);
}

/// Healthy: records may come from at least one endpoint. With a line for each.
fn health(shared: &SharedState) -> (bool, String) {
    let status = shared.lock();
    let lines = status.endpoints.iter().map(|endpoint| format!("{}: {}\n", endpoint.address, endpoint.connection));
    (status.endpoints.iter().any(|endpoint| endpoint.is_connected()), lines.collect())
}
