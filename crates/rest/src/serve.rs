//! A service as a process of its own: its paths, its operators' paths and CORS on one port, until it is told to stop.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use actix_web::web::{self, ServiceConfig};
use actix_web::{App, HttpServer};
use auth::OriginPolicy;
use service_kit::notify;
use service_kit::shutdown::Token;

use crate::metrics::not_found;
use crate::operations::Operations;
use crate::trace;

/// How long calls that are under way may take once the service is told to stop; as long as the hub's drain.
const STOP_TIMEOUT: Duration = Duration::from_secs(30);

/// How long a request's head may take (contract: a handshake that is not finished in 10 s is dropped).
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// Adds a service's paths to an application.
pub type Configure = Arc<dyn Fn(&mut ServiceConfig) + Send + Sync>;

/// Serves until `shutdown` begins, then lets running calls end. `workers` threads answer.
///
/// # Errors
/// The listener failed.
pub async fn serve(
    listener: TcpListener,
    origins: OriginPolicy,
    operations: Operations,
    configure: Configure,
    workers: usize,
    mut shutdown: Token,
) -> std::io::Result<()> {
    let address: SocketAddr = listener.local_addr()?;
    let server = HttpServer::new(move || {
        let (configure, operations) = (Arc::clone(&configure), operations.clone());
        App::new()
            .wrap(auth::cors::middleware(origins.clone()))
            .configure(move |config| configure(config))
            .configure(move |config| operations.configure(config, ""))
            .default_service(web::to(|| async { not_found() }))
    })
    .workers(workers)
    .disable_signals()
    .client_request_timeout(HEAD_TIMEOUT)
    .keep_alive(Duration::from_secs(75))
    .shutdown_timeout(STOP_TIMEOUT.as_secs())
    .listen(listener)?
    .run();
    let handle = server.handle();
    let served = actix_web::rt::spawn(server);
    tracing::info!("listening on http://{address}");
    // For whoever started the process: the one line that says that it answers, and where.
    println!("listening on http://{address}");
    notify::ready(&format!("listening on http://{address}"));
    actix_web::rt::spawn(notify::keep_alive(|| true));
    shutdown.begun().await;
    // What nobody waits for any more is done on the workers' threads as well.
    handle.pause().await;
    trace::settled(STOP_TIMEOUT).await;
    handle.stop(true).await;
    served.await.map_err(std::io::Error::other)??;
    tracing::info!("stopped");
    Ok(())
}
