//! Finds the resource of a path, and its methods.

/// A resource, borrowed from a request's path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Route<'p> {
    /// Whether orders are taken. Load balancers without other settings look here.
    Root,
    /// The collection of all orders.
    Orders,
    /// The cancellation of the order with this id, as it was written.
    Cancel(&'p str),
    /// The description of this interface.
    Document,
    /// An unknown path.
    Unknown,
}

impl<'p> Route<'p> {
    /// The number of resources, for tables by [`Route::index`].
    pub(super) const COUNT: usize = 5;

    /// The resource of a path as it was sent. Nothing is decoded, so each resource has one name.
    pub(super) fn of(path: &'p str) -> Self {
        match path {
            "/" => Self::Root,
            "/orders" => Self::Orders,
            "/openapi.json" => Self::Document,
            other => Self::cancel(other).unwrap_or(Self::Unknown),
        }
    }

    fn cancel(path: &'p str) -> Option<Self> {
        let id = path.strip_prefix("/orders/")?.strip_suffix("/cancel")?;
        (!id.contains('/')).then_some(Self::Cancel(id))
    }

    /// The route as metrics, spans and the document name it.
    pub(super) fn template(self) -> &'static str {
        match self {
            Self::Root => "/",
            Self::Orders => "/orders",
            Self::Cancel(_) => "/orders/{id}/cancel",
            Self::Document => "/openapi.json",
            Self::Unknown => "other",
        }
    }

    /// The methods of the resource, as `Allow` lists them.
    pub(super) fn allow(self) -> &'static str {
        match self {
            Self::Orders | Self::Cancel(_) => "OPTIONS, POST",
            Self::Root | Self::Document => "GET, HEAD, OPTIONS",
            Self::Unknown => "",
        }
    }

    /// Its place in a table of [`Route::COUNT`].
    pub(super) fn index(self) -> usize {
        match self {
            Self::Orders => 0,
            Self::Cancel(_) => 1,
            Self::Document => 2,
            Self::Unknown => 3,
            Self::Root => 4,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_names_one_resource_or_none() {
        let id = "01936d7c-5f0a-7cc3-9d0f-2f6f0a3c7e41";
        assert_eq!(Route::of("/orders"), Route::Orders);
        assert_eq!(Route::of("/"), Route::Root);
        assert_eq!(Route::of("/openapi.json"), Route::Document);
        assert_eq!(Route::of(&format!("/orders/{id}/cancel")), Route::Cancel(id));
        assert_eq!(Route::of("/orders//cancel"), Route::Cancel(""));
        assert_eq!(Route::of("/orders/%2e%2e/cancel"), Route::Cancel("%2e%2e"));
        let unknown = ["", "*", "/orders/", "//orders", "/ORDERS", "/orders/cancel", "/orders/a/b/cancel", "/orders/a"];
        for path in unknown {
            assert_eq!(Route::of(path), Route::Unknown, "{path:?}");
        }
    }
}
