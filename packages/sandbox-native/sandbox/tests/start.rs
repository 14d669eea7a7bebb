//! Builders that really run. Where the kernel refuses the sandbox, each test says so and ends.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc;
use std::{env, fs, process};

use drvkit_sandbox::{Base, Bind, Error, Event, ExitStatus, Kind, Process, Spec, SpecParts, start, start_unconfined};

/// A directory of its own, gone at the end; what builders leave may be read-only.
struct Directory(PathBuf);

impl Directory {
    fn new(name: &str) -> Directory {
        let path = env::temp_dir().join(format!("drvkit-start-{name}-{}", process::id()));
        fs::create_dir(&path).expect("a new directory");
        Directory(path)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = process::Command::new("chmod").args(["-R", "u+w"]).arg(&self.0).status();
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// For root ids that no other build has: a start ends whatever runs under them.
fn ids() -> (u32, u32) {
    use std::os::unix::fs::MetadataExt;
    let own = fs::metadata("/proc/self").expect("/proc");
    if own.uid() != 0 {
        return (own.uid(), own.gid());
    }
    static STARTED: AtomicU32 = AtomicU32::new(0);
    let id = 900_000_000 + process::id() * 256 + STARTED.fetch_add(1, Ordering::Relaxed);
    (id, id)
}

fn parts(directory: &Path, script: &str) -> SpecParts {
    let bytes = |path: PathBuf| path.into_os_string().into_encoded_bytes();
    let bind = |path: &str| Bind { source: path.into(), target: path.into(), writable: false, optional: true };
    let (host_uid, host_gid) = ids();
    SpecParts {
        builder: b"/bin/sh".to_vec(),
        argv: ["sh", "-c", script].map(|text| text.as_bytes().to_vec()).to_vec(),
        env: vec![b"PATH=/bin:/usr/bin".to_vec()],
        chroot_dir: bytes(directory.join("chroot")),
        store_dir: b"/nix/store".to_vec(),
        temp_dir: bytes(directory.join("temp")),
        build_dir: b"/build".to_vec(),
        binds: ["/bin", "/usr", "/lib", "/lib64"].map(bind).to_vec(),
        base: Base { host_uid, host_gid, ..Base::default() },
        dev_shm_size: b"50%".to_vec(),
        ..SpecParts::default()
    }
}

fn started(parts: SpecParts) -> Option<Result<Process, Error>> {
    match start(&Spec::new(parts).expect("a good description"), None) {
        Err(error) if error.kind == Kind::Unavailable => {
            eprintln!("skipped: {}", error.message);
            None
        }
        other => Some(other),
    }
}

fn events(process: &Process) -> Vec<Event> {
    let mut events = Vec::new();
    loop {
        let (sender, receiver) = mpsc::channel();
        process.next(Box::new(move |next| sender.send(next).expect("a receiver")));
        match receiver.recv().expect("an answer") {
            next if next.is_empty() => return events,
            next => events.extend(next),
        }
    }
}

#[test]
fn a_builder_runs_and_its_events_come_in_order() {
    let directory = Directory::new("order");
    let Some(result) = started(parts(&directory.0, "echo hello; exit 3")) else { return };
    let process = result.expect("a start");
    let output = Event::Output(b"hello\n".to_vec());
    assert_eq!(events(&process), [output, Event::EndOfOutput, Event::Exit(ExitStatus::Exited(3))]);
    assert_eq!(events(&process), [], "nothing comes after the exit");
}

#[test]
fn a_builder_that_nobody_asks_about_is_killed() {
    let directory = Directory::new("drop");
    let Some(result) = started(parts(&directory.0, "sleep 1000")) else { return };
    let process = result.expect("a start");
    let status = format!("/proc/{}/stat", process.pid());
    drop(process);
    for _ in 0..400 {
        if !Path::new(&status).exists() {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(25));
    }
    panic!("it still runs, or was not reaped");
}

/// Process ids whose command line has a text.
fn processes_with(mark: &str) -> Vec<String> {
    let all = fs::read_dir("/proc").expect("/proc");
    let names = all.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    names
        .filter(|pid| fs::read_to_string(format!("/proc/{pid}/cmdline")).is_ok_and(|line| line.contains(mark)))
        .collect()
}

fn eventually(holds: impl Fn() -> bool) -> bool {
    (0..400).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(25));
        holds()
    })
}

#[test]
fn a_builder_without_a_sandbox_that_nobody_asks_about_ends_with_all_it_started() {
    if !Path::new("/proc/thread-self/children").exists() {
        return eprintln!("skipped: this kernel has no lists of children");
    }
    let directory = Directory::new("plain");
    fs::set_permissions(&directory.0, fs::Permissions::from_mode(0o755)).expect("a directory of ours");
    let mark = format!("86400.{}", process::id());
    let parts = parts(&directory.0, &format!("setsid sleep {mark} & sleep {mark}"));
    let spec = Spec::new(SpecParts { build_dir: parts.temp_dir.clone(), ..parts }).expect("a good description");
    let running = start_unconfined(&spec).expect("a start");
    assert!(eventually(|| processes_with(&mark).len() >= 3), "it did not start");
    drop(running);
    assert!(eventually(|| processes_with(&mark).is_empty()), "{:?} still run", processes_with(&mark));
}

#[test]
fn a_failed_set_up_says_where() {
    let directory = Directory::new("failed");
    let mut parts = parts(&directory.0, "true");
    parts.binds.push(Bind { source: b"/no/such".to_vec(), target: b"/x".to_vec(), writable: false, optional: false });
    let Some(result) = started(parts) else { return };
    let error = result.map(|process| process.pid()).expect_err("a failure");
    assert_eq!(
        (error.kind, error.step.as_deref(), error.path.as_deref(), error.errno),
        (Kind::Setup, Some("bind"), Some("/no/such"), Some(libc::ENOENT))
    );
}

#[test]
fn an_existing_directory_is_not_taken() {
    let directory = Directory::new("existing");
    fs::create_dir(directory.0.join("chroot")).expect("a directory");
    let Some(result) = started(parts(&directory.0, "true")) else { return };
    let error = result.map(|process| process.pid()).expect_err("a failure");
    assert_eq!((error.step.as_deref(), error.errno), (Some("make-root"), Some(libc::EEXIST)));
}

#[test]
fn an_environment_larger_than_a_pipe_arrives() {
    let directory = Directory::new("large");
    let mut parts = parts(&directory.0, "env | wc -c");
    parts.env.extend((0..40).map(|number| format!("V{number}={}", "x".repeat(10_000)).into_bytes()));
    let Some(result) = started(parts) else { return };
    let events = events(&result.expect("a start"));
    let Event::Output(output) = &events[0] else { panic!("{events:?}") };
    assert!(String::from_utf8_lossy(output).trim().parse::<usize>().expect("a number") > 400_000);
}
