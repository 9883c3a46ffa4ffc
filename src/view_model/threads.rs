//! How many threads compute, and why not more.

/// What decides it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Situation {
    /// Threads that compute now.
    pub n_threads: usize,
    /// Cores that the browser reports.
    pub n_cores: usize,
    /// Whether the page may share memory between threads.
    pub is_isolated: bool,
    /// Whether the page is inside another page.
    pub is_embedded: bool,
    /// Whether a service worker can isolate it.
    pub helper: Helper,
}

/// The service worker that isolates the page where its host does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Helper {
    /// The browser has none for this page.
    Unavailable,
    /// It can be put in.
    Possible,
    /// It is there, and from the next visit on the page is isolated.
    Waiting,
    /// It is at work, and the page is not isolated all the same.
    InVain,
}

/// What the panel says of threads, and whether it offers more of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ThreadsView {
    /// The number.
    pub count: String,
    /// Why not more.
    pub why: &'static str,
    /// Whether a reload would bring more.
    pub is_offered: bool,
}

/// The words for a situation.
pub fn threads_view(situation: Situation) -> ThreadsView {
    let Situation { n_threads, n_cores, is_isolated, is_embedded, helper } = situation;
    let count = if n_threads == 1 { "1 thread".to_owned() } else { format!("{n_threads} threads") };
    let (why, is_offered) = match (is_isolated, is_embedded, helper) {
        _ if n_cores <= 1 => ("This device has one core.", false),
        (true, _, _) => ("", false),
        (false, true, _) => {
            ("Inside another page there is one, unless that page is cross-origin isolated.", false)
        }
        (false, false, Helper::Possible) => (
            "Browsers share memory between threads only on isolated pages, and this host does not isolate its pages.",
            true,
        ),
        (false, false, Helper::Waiting) => {
            ("There can be more from the next visit on, or after a reload.", true)
        }
        (false, false, Helper::Unavailable) => (
            "This browser has no service worker for this page, so only its host could isolate it (by the headers COOP and COEP).",
            false,
        ),
        (false, false, Helper::InVain) => {
            ("This browser does not isolate the page in spite of its headers.", false)
        }
    };
    ThreadsView { count, why, is_offered }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Situation = Situation {
        n_threads: 1,
        n_cores: 8,
        is_isolated: false,
        is_embedded: false,
        helper: Helper::Possible,
    };

    #[test]
    fn more_are_offered_only_where_a_reload_brings_them() {
        let is_offered = |situation| threads_view(situation).is_offered;
        assert!(is_offered(PLAIN));
        assert!(is_offered(Situation { helper: Helper::Waiting, ..PLAIN }));
        assert!(!is_offered(Situation { is_embedded: true, ..PLAIN }));
        assert!(!is_offered(Situation { is_isolated: true, n_threads: 8, ..PLAIN }));
        assert!(!is_offered(Situation { n_cores: 1, ..PLAIN }));
        assert!(!is_offered(Situation { helper: Helper::Unavailable, ..PLAIN }));
        assert!(!is_offered(Situation { helper: Helper::InVain, ..PLAIN }));
    }

    #[test]
    fn whoever_has_one_thread_hears_why() {
        for situation in [
            PLAIN,
            Situation { is_embedded: true, ..PLAIN },
            Situation { n_cores: 1, ..PLAIN },
            Situation { helper: Helper::Unavailable, ..PLAIN },
        ] {
            let view = threads_view(situation);
            assert_eq!(view.count, "1 thread");
            assert!(!view.why.is_empty(), "{situation:?}");
        }
        assert_eq!(threads_view(Situation { is_isolated: true, n_threads: 4, ..PLAIN }).count, "4 threads");
    }
}
