//! Makes valid and invalid certificates for tests.

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, date_time_ymd,
};

/// An authority of the test's own.
#[derive(Debug)]
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A server's or a client's certificate and key, and who signed it, all in PEM.
#[derive(Debug, Clone)]
pub struct Identity {
    /// The certificate.
    pub certificate: String,
    /// Its private key.
    pub key: String,
    /// The authority's certificate.
    pub authority: String,
}

impl Authority {
    /// An authority that nobody knows yet.
    pub fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        Self(CertifiedIssuer::self_signed(params, key()).expect("the parameters are valid"))
    }

    /// Its certificate in PEM: what a CA file holds.
    pub fn pem(&self) -> String {
        self.0.pem()
    }

    /// A certificate for these host names and addresses that is valid now.
    pub fn certify(&self, hosts: &[&str]) -> Identity {
        self.sign(for_hosts(hosts), 2090)
    }

    /// A certificate that was valid long ago.
    pub fn certify_expired(&self, hosts: &[&str]) -> Identity {
        self.sign(for_hosts(hosts), 2021)
    }

    /// A certificate for the client of this name that is valid now.
    pub fn certify_client(&self, name: &str) -> Identity {
        self.sign(for_client(name), 2090)
    }

    /// A client's certificate that was valid long ago.
    pub fn certify_expired_client(&self, name: &str) -> Identity {
        self.sign(for_client(name), 2021)
    }

    fn sign(&self, mut params: CertificateParams, until: i32) -> Identity {
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(until, 1, 1);
        let key = key();
        let certificate = params.signed_by(&key, &self.0).expect("the authority can sign");
        Identity { certificate: certificate.pem(), key: key.serialize_pem(), authority: self.pem() }
    }
}

fn for_hosts(hosts: &[&str]) -> CertificateParams {
    let hosts: Vec<String> = hosts.iter().map(|&host| host.to_owned()).collect();
    CertificateParams::new(hosts).expect("the hosts are valid")
}

fn for_client(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.extended_key_usages.push(ExtendedKeyUsagePurpose::ClientAuth);
    params
}

fn key() -> KeyPair {
    KeyPair::generate().expect("keys can be made")
}
