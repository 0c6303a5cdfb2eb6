//! The certificate authorities of the trace exporter.

use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

/// Certificates of authorities for a collector.
#[derive(Clone, Debug)]
pub struct Roots(Vec<CertificateDer<'static>>);

/// The certificates of a PEM file. `None` if it cannot be read or holds none.
pub(super) fn read_roots(path: &str) -> Option<Roots> {
    let certificates: Vec<_> = CertificateDer::pem_file_iter(path).ok()?.collect::<Result<_, _>>().ok()?;
    Some(certificates).filter(|certificates| !certificates.is_empty()).map(Roots)
}

/// The client side of TLS, with `roots` or the system's as authorities.
///
/// # Errors
/// There are no certificate authorities.
pub(super) fn client(roots: Option<&Roots>) -> Result<Arc<ClientConfig>, String> {
    let certificates = match roots {
        Some(Roots(certificates)) => certificates.clone(),
        None => rustls_native_certs::load_native_certs().certs,
    };
    let mut store = RootCertStore::empty();
    let (usable, _) = store.add_parsable_certificates(certificates);
    if usable == 0 {
        let reason = "there are no root certificates for the collector: set OTEL_EXPORTER_OTLP_CERTIFICATE";
        return Err(reason.to_owned());
    }
    let ring = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(ring).with_safe_default_protocol_versions();
    let config = config.expect("ring has the default versions").with_root_certificates(store).with_no_client_auth();
    Ok(Arc::new(config))
}
