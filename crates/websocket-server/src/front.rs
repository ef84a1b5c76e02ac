//! The HTTP front: the listeners, TLS where there is a certificate, and the routes. An upgrade is taken out before
//! routing.
//!
//! Not here: what the routes answer (`http`), and how long a peer may take (`patience`).

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use actix_http::error::DispatchError;
use actix_http::{HttpService, Protocol};
use actix_rt::net::TcpStream;
use actix_service::{ServiceFactoryExt, fn_service, map_config};
use actix_web::dev::AppConfig;
use actix_web::web::ServiceConfig;
use actix_web::{App, web};
use tokio_rustls::TlsAcceptor;

use crate::config::Config;
use crate::patience::{Patience, give_up_after};
use crate::ports::Own;
use crate::server::{FrontPage, Routes};
use crate::state::State;
use crate::tls::Certificates;
use crate::upgrade::{Surface, upgrade};
use crate::{http, tls};

/// HTTP connections at once per worker beyond which new ones wait in the listener's backlog. High enough that half
/// a file limit of connections that never finish their request keep nobody out.
const HTTP_CONNECTIONS: usize = 1 << 20;

/// Where requests come in.
pub(crate) struct Listeners {
    /// For everyone; with TLS where there is a certificate.
    pub main: TcpListener,
    /// For the other parts of this process; never with TLS.
    pub internal: Option<TcpListener>,
    /// For single endpoints; with TLS where the main one has it.
    pub own: Vec<Own>,
}

/// What stands beside the hub's own paths, and the certificates.
#[derive(Clone)]
pub(crate) struct Pages {
    /// The process' further routes.
    pub routes: Option<Routes>,
    /// Who answers on `/`.
    pub front_page: FrontPage,
    /// With them the listeners speak TLS, but for the internal one.
    pub certificates: Option<Arc<Certificates>>,
}

/// Starts the front; it serves once it is awaited.
///
/// # Errors
/// A certificate cannot be used, or a listener cannot be registered.
pub(crate) fn front(
    state: &Arc<State>,
    config: &Config,
    listeners: Listeners,
    pages: Pages,
    workers: usize,
) -> anyhow::Result<actix_server::Server> {
    let (handshake, patience) = (config.limits.handshake, config.limits.request);
    let silence = config.limits.ping_timeout;
    let builder = actix_server::Server::build()
        .workers(workers)
        .disable_signals()
        .shutdown_timeout(config.drain.timeout.as_secs().max(1))
        .max_concurrent_connections(HTTP_CONNECTIONS);
    macro_rules! service {
        ($state:expr, $pages:expr, $surface:expr) => {{
            let (state, Pages { routes, front_page, .. }): (Arc<State>, Pages) = ($state, $pages);
            let surface: Surface = $surface;
            let paths = http::upgrade_paths(&state);
            let data = web::Data::from(Arc::clone(&state));
            let last_answers = state.last_answers.subscribe();
            let for_cors = Arc::clone(&state);
            let cors = auth::cors::middleware_by(move || Arc::clone(&for_cors.access().origins));
            HttpService::build()
                .client_request_timeout(handshake)
                .client_disconnect_timeout(Duration::from_secs(1))
                .keep_alive(Duration::from_secs(75))
                .tcp_nodelay(true)
                .graceful_shutdown_signal(move || {
                    let mut last_answers = last_answers.clone();
                    async move {
                        // An error is the end of the whole server, which is the signal as well.
                        let _ = last_answers.wait_for(|&last| last).await;
                    }
                })
                .on_connect_ext(|io: &Patience<_>, connection| {
                    connection.insert(io.bond());
                })
                .upgrade(fn_service(move |upgraded| upgrade(Arc::clone(&state), surface, upgraded)))
                .finish(map_config(
                    App::new()
                        .app_data(data)
                        .wrap(cors)
                        .configure(|config: &mut ServiceConfig| match surface {
                            Surface::Main => {
                                http::configure(config, front_page, paths);
                                routes.iter().for_each(|add| add(config));
                            }
                            Surface::Own(_) => http::configure_own(config),
                        })
                        .default_service(web::to(http::not_found)),
                    |()| AppConfig::default(),
                ))
        }};
    }
    let plain = |surface: Surface| {
        let (state, pages) = (Arc::clone(state), pages.clone());
        move || {
            fn_service(move |socket: TcpStream| async move {
                let peer = socket.peer_addr().ok();
                // Only delays small answers, and only where it fails.
                let _ = socket.set_nodelay(true);
                give_up_after(&socket, Some(silence));
                Ok::<_, DispatchError>((Patience::new(socket, patience), Protocol::Http1, peer))
            })
            .and_then(service!(Arc::clone(&state), pages.clone(), surface))
        }
    };
    let mut builder = match listeners.internal {
        None => builder,
        Some(internal) => builder.listen("internal", nonblocking(internal)?, plain(Surface::Main))?,
    };
    let acceptor = pages
        .certificates
        .as_ref()
        .map(|certificates| TlsAcceptor::from(Arc::new(tls::server_config(Arc::clone(certificates)))));
    let own = listeners.own.into_iter().map(|own| (own.listener, Surface::Own(own.endpoint)));
    for (listener, surface) in [(listeners.main, Surface::Main)].into_iter().chain(own) {
        let listener = nonblocking(listener)?;
        let Some(acceptor) = acceptor.clone() else {
            builder = builder.listen("http", listener, plain(surface))?;
            continue;
        };
        let (state, pages) = (Arc::clone(state), pages.clone());
        builder = builder.listen("https", listener, move || {
            let acceptor = acceptor.clone();
            fn_service(move |socket| {
                give_up_after(&socket, Some(silence));
                tls::accept(acceptor.clone(), socket, handshake, patience)
            })
            .and_then(service!(Arc::clone(&state), pages.clone(), surface))
        })?;
    }
    Ok(builder.run())
}

/// A listener from outside may still block.
fn nonblocking(listener: TcpListener) -> std::io::Result<TcpListener> {
    listener.set_nonblocking(true)?;
    Ok(listener)
}
