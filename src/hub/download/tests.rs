//! Whatever a server does, the files end whole or the failure is named.

use super::*;
use crate::hub::{Commit, HubError, Repo};

mod world;

use world::{CHUNK_BYTES, Weather, World, options};

const STORM: Weather = Weather {
    breaks: 5,
    ends_early: 5,
    refuses: 6,
    throttles: 12,
    wrong_range: 9,
    forgets_ranges: 0,
    pauses: 40,
    crashes: 90,
};

#[test]
fn in_any_weather_the_same_bytes_arrive() {
    let calm = Weather::default();
    let forgetful = Weather { forgets_ranges: 4, ..calm };
    for (weather, name) in [
        (calm, "calm"),
        (forgetful, "forgetful"),
        (STORM, "storm"),
        (Weather { forgets_ranges: 9, ..STORM }, "all"),
    ] {
        for seed in 0..400 {
            let mut world = World::new(seed, weather);
            world.run().unwrap_or_else(|error| panic!("{name}, seed {seed}: {error}"));
            assert_eq!(world.disk, world.contents, "{name}, seed {seed}");
        }
    }
}

#[test]
fn without_patience_it_ends_whole_or_with_a_named_failure() {
    let (mut n_whole, mut n_given_up) = (0, 0);
    for seed in 0..400 {
        let mut world = World::new(seed, STORM);
        world.n_tries = 2;
        match world.run() {
            Ok(()) => {
                assert_eq!(world.disk, world.contents, "seed {seed}");
                n_whole += 1;
            }
            Err(DownloadError::GaveUp { path, .. } | DownloadError::Refused { path, status: 429, .. }) => {
                assert!(world.files().iter().any(|file| file.path == path), "{path}");
                n_given_up += 1;
            }
            Err(error) => panic!("seed {seed}: {error}"),
        }
    }
    assert!(20 < n_whole && 20 < n_given_up, "{n_whole} whole, {n_given_up} given up");
}

#[test]
fn a_planted_byte_is_seen_and_its_file_named() {
    let mut n_planted = 0;
    for weather in [Weather::default(), STORM, Weather { forgets_ranges: 4, ..STORM }] {
        for seed in 0..200 {
            let mut world = World::new(seed, weather);
            let file_idx = seed as usize % world.contents.len();
            let n_bytes = world.contents[file_idx].len();
            if n_bytes == 0 {
                continue;
            }
            world.planted = Some((file_idx, seed as usize * 7 % n_bytes));
            n_planted += 1;
            assert_eq!(
                world.run(),
                Err(DownloadError::Corrupt { path: format!("file-{file_idx}") }),
                "{seed}"
            );
        }
    }
    assert!(n_planted > 500, "only {n_planted}");
}

#[test]
fn a_corrupt_file_is_fetched_anew_the_next_time() {
    let mut world = World::new(3, Weather::default());
    world.contents = vec![vec![7; 20], vec![9; 40]];
    world.disk = vec![vec![7; 20], [vec![9; 39], vec![8]].concat()];
    let whole = Saved::of(&{
        let mut files: Vec<FileState> =
            world.files().into_iter().map(|file| FileState::new(file, &Saved::default())).collect();
        files.iter_mut().for_each(|file| file.kept_bytes = file.wanted.size_bytes);
        files
    });
    let mut download = Download::new(world.files(), &whole, options());
    let mut ended = Ok(());
    while let Ok(Step::Reread { file_idx, start, end }) = download.next(0.0) {
        ended = download.reread(file_idx, &world.disk[file_idx][start as usize..end as usize]).map(drop);
    }
    assert_eq!(ended, Err(DownloadError::Corrupt { path: "file-1".into() }));
    let mut again = Download::new(world.files(), &download.saved(), options());
    let request = loop {
        match again.next(0.0).expect("it goes on") {
            Step::Reread { file_idx: 0, start, end } => {
                again.reread(0, &world.disk[0][start as usize..end as usize]).expect("is good");
            }
            Step::Fetch(request) => break request,
            step => panic!("{step:?}"),
        }
    };
    assert_eq!((request.file_idx, request.start), (1, 0));
}

/// A download of one file of 20 bytes, and its first request.
fn begun() -> (Download, RequestId) {
    let mut world = World::new(0, Weather::default());
    world.contents = vec![vec![5; 20]];
    let mut download = Download::new(world.files(), &Saved::default(), options());
    let Ok(Step::Fetch(Request { id, start: 0, end: CHUNK_BYTES, .. })) = download.next(0.0) else {
        panic!("the first chunk comes first")
    };
    (download, id)
}

#[test]
fn a_server_that_never_works_is_given_up_with_the_reason() {
    for (answer, words) in [
        (Arrival::Broken { message: "reset".into() }, "the connection broke (reset)"),
        (Arrival::End, "nothing came"),
        (Arrival::Head(Head { status: 503, ..Head::default() }), "the server answered 503"),
        (Arrival::Head(Head { status: 416, ..Head::default() }), "the server answered 416"),
        (
            Arrival::Head(Head {
                status: 206,
                content_range: ContentRange::parse("bytes 1-7/20"),
                ..Head::default()
            }),
            "other bytes came",
        ),
    ] {
        let (mut download, mut id) = begun();
        let (mut now_millis, mut pauses, mut n_tries) = (0.0, vec![], 1);
        let error = loop {
            if let Err(error) = download.arrived(id, answer.clone(), now_millis) {
                break error;
            }
            let asked_millis = now_millis;
            // The other pieces never get an answer: only the first is looked at.
            let request = loop {
                match download.next(now_millis).expect("it goes on") {
                    Step::Fetch(request) if request.start == 0 => break request,
                    Step::Wait { until_millis } => now_millis = until_millis.expect("a time"),
                    _ => {}
                }
            };
            pauses.push(now_millis - asked_millis);
            (id, n_tries) = (request.id, n_tries + 1);
        };
        assert_eq!(pauses, [500.0, 1_000.0, 2_000.0, 4_000.0, 8_000.0]);
        let (repo, commit) = repo();
        let failure = error.failure(&repo, &commit);
        assert!(failure.message.contains(words) && failure.message.contains("file-0"), "{failure}");
        assert_eq!((n_tries, download.next(1e9)), (6, Err(error)));
    }
}

fn repo() -> (Repo, Commit) {
    let sha = "0".repeat(40);
    let commit = Commit::of_answer(format!(r#"{{"sha":"{sha}"}}"#).as_bytes()).expect("a commit");
    (Repo::parse("a/b", crate::hub::HUB).expect("a repo"), commit)
}

#[test]
fn refusals_and_changed_files_end_it_at_once() {
    let head = |status| Head { status, ..Head::default() };
    for (answer, words) in [
        (head(404), "no such file"),
        (head(401), "no such model"),
        (Head { code: Some("GatedRepo".into()), ..head(403) }, "accepted the conditions"),
        (Head { retry_after: Some("3600".into()), ..head(429) }, "too many requests"),
        (Head { content_range: ContentRange::parse("bytes */19"), ..head(416) }, "19 bytes of a file of 20"),
        (
            Head { content_range: ContentRange::parse("bytes 0-7/21"), ..head(206) },
            "21 bytes of a file of 20",
        ),
        (Head { body_bytes: Some(12), ..head(200) }, "12 bytes of a file of 20"),
    ] {
        let (mut download, id) = begun();
        let error = download.arrived(id, Arrival::Head(answer), 0.0).expect_err(words);
        let (repo, commit) = repo();
        let message = error.failure(&repo, &commit).message;
        assert!(message.contains(words), "{message}");
        assert_eq!(download.next(0.0), Err(error));
    }
    assert!(HubError::of_status(429, None, Some("3600"), &repo().0, "x").hint().contains("3600 seconds"));
}

/// Addresses of large files expire while a download is paused; a new request gets a new one.
#[test]
fn a_bare_403_is_tried_once_more() {
    let (mut download, id) = begun();
    let forbidden = Arrival::Head(Head { status: 403, ..Head::default() });
    download.arrived(id, forbidden.clone(), 0.0).expect("once is nothing");
    let again = loop {
        match download.next(500.0).expect("it goes on") {
            Step::Fetch(request) if request.start == 0 => break request.id,
            Step::Fetch(_) => {}
            step => panic!("{step:?}"),
        }
    };
    let error = download.arrived(again, forbidden, 500.0).expect_err("twice is a refusal");
    assert!(matches!(error, DownloadError::Refused { status: 403, .. }), "{error}");
}

#[test]
fn a_throttled_download_asks_for_nothing_until_it_may() {
    let (mut download, id) = begun();
    let head = Head { status: 429, retry_after: Some("7".into()), ..Head::default() };
    download.arrived(id, Arrival::Head(head), 100.0).expect("it waits");
    assert_eq!(download.next(100.0), Ok(Step::Wait { until_millis: Some(7_100.0) }));
    assert!(matches!(download.next(7_100.0), Ok(Step::Fetch(_))));
}

#[test]
fn a_cancelled_download_gives_up_its_requests_and_keeps_what_it_has() {
    let (mut download, id) = begun();
    let head = Head { status: 206, ..Head::default() };
    download.arrived(id, Arrival::Head(head), 0.0).expect("an answer");
    let delivered = download.arrived(id, Arrival::Bytes(vec![5; 3]), 0.0).expect("bytes");
    assert_eq!(delivered, [Delivered { file_idx: 0, start: 0, bytes: vec![5; 3] }]);
    download.cancel();
    assert_eq!(download.superseded(), [id]);
    assert_eq!(download.next(0.0), Err(DownloadError::Cancelled));
    assert_eq!(download.arrived(id, Arrival::Bytes(vec![5; 3]), 0.0), Ok(vec![]));
    assert_eq!(download.progress(0.0).percent, 15);
    let mut world = World::new(0, Weather::default());
    world.contents = vec![vec![5; 20]];
    let mut again = Download::new(world.files(), &download.saved(), options());
    assert_eq!(again.next(0.0), Ok(Step::Reread { file_idx: 0, start: 0, end: 3 }));
    // The bytes are gone from the disk: it begins anew.
    again.reread(0, &[]).expect("nothing is wrong");
    assert!(matches!(again.next(0.0), Ok(Step::Fetch(Request { start: 0, .. }))));
}
