//! Measures how long requests take, by method, route and status.

use std::sync::OnceLock;
use std::time::Instant;

use hyper::{Method, StatusCode};
use prometheus::{Histogram, HistogramOpts, HistogramVec, Registry};

use super::kind::Kind;
use super::operation::{OPERATIONS, Operation};
use super::route::Route;

/// Upper bounds of the histogram in seconds: from a confirm on a quiet broker to `PUBLISH_TIMEOUT` and beyond.
const BUCKETS: [f64; 13] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// The methods that have a label of their own. The last label stands for any other method.
const METHODS: [&str; 5] = ["GET", "HEAD", "OPTIONS", "POST", "other"];

/// The statuses that this service answers, and the status for a client that did not wait for its answer.
const STATUSES: [u16; 13] = [200, 202, 204, 400, 404, 405, 408, 413, 415, 422, 503, UNHEARD, OTHER];

/// The client closed the connection before it had an answer. HTTP has no status for that; nginx counts it under this
/// number.
const UNHEARD: u16 = 499;

/// The label for paths that do not exist.
const OTHER: u16 = 0;

/// `http_server_request_duration_seconds`.
pub(crate) struct HttpMetrics {
    durations: HistogramVec,
    /// Each series, looked up by its labels once.
    series: [[[OnceLock<Histogram>; STATUSES.len()]; METHODS.len()]; Route::COUNT],
}

/// Measures one request. A request that is dropped without an answer counts as one that was not waited for.
pub(super) struct Timer<'m> {
    metrics: &'m HttpMetrics,
    method: usize,
    route: Route<'m>,
    began: Instant,
    status: u16,
}

impl HttpMetrics {
    /// Registers them, with every series that an operation can have, and with those of unknown paths.
    ///
    /// # Errors
    /// The registry already has these metrics.
    pub(crate) fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let help = "Seconds from a request's headers to its answer. Status 499: the client did not wait for it.";
        let options = HistogramOpts::new("http_server_request_duration_seconds", help).buckets(BUCKETS.to_vec());
        let durations = HistogramVec::new(options, &["method", "route", "status"])?;
        registry.register(Box::new(durations.clone()))?;
        let metrics = Self { durations, series: Default::default() };
        for operation in OPERATIONS {
            let method = method_index(&operation.method);
            let problems = operation.problems.iter().map(|kind| kind.status());
            let answers = problems.chain([operation.success]).map(|status| status.as_u16());
            for status in answers.chain([UNHEARD]) {
                metrics.series(method, operation.route, status);
            }
        }
        for method in 0..METHODS.len() {
            for route in [Route::Root, Route::Orders, Route::Cancel(""), Route::Document] {
                metrics.refusals(method, route);
            }
            metrics.series(method, Route::Unknown, Kind::UnknownPath.status().as_u16());
        }
        Ok(metrics)
    }

    /// The series of a method that a route does not know.
    fn refusals(&self, method: usize, route: Route<'_>) {
        let is_known = |operation: &Operation| operation.route == route && method_index(&operation.method) == method;
        if !OPERATIONS.iter().any(is_known) {
            self.series(method, route, Kind::MethodNotAllowed.status().as_u16());
        }
    }

    /// Begins to measure a request.
    pub(super) fn request<'m>(&'m self, method: &Method, route: Route<'m>) -> Timer<'m> {
        Timer { metrics: self, method: method_index(method), route, began: Instant::now(), status: UNHEARD }
    }

    fn series(&self, method: usize, route: Route<'_>, status: u16) -> &Histogram {
        let column = STATUSES.iter().position(|known| *known == status).unwrap_or(STATUSES.len() - 1);
        self.series[route.index()][method][column].get_or_init(|| {
            let status = match STATUSES[column] {
                OTHER => "other".to_owned(),
                status => status.to_string(),
            };
            self.durations.with_label_values(&[METHODS[method], route.template(), status.as_str()])
        })
    }
}

impl Timer<'_> {
    /// Ends the measurement with this answer.
    pub(super) fn answered(mut self, status: StatusCode) {
        self.status = status.as_u16();
    }
}

impl Drop for Timer<'_> {
    fn drop(&mut self) {
        let series = self.metrics.series(self.method, self.route, self.status);
        series.observe(self.began.elapsed().as_secs_f64());
    }
}

fn method_index(method: &Method) -> usize {
    match *method {
        Method::GET => 0,
        Method::HEAD => 1,
        Method::OPTIONS => 2,
        Method::POST => 3,
        _ => 4,
    }
}
