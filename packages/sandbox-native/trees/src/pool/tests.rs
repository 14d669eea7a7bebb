use std::sync::Barrier;
use std::sync::mpsc::channel;
use std::time::Duration;

use super::*;

const SOON: Duration = Duration::from_secs(20);

#[test]
fn runs_everything_once() {
    let pool = Pool::new("drvkit-test", 3);
    let (sender, receiver) = channel();
    for number in 0..100 {
        let sender = sender.clone();
        pool.run(move || sender.send(number).unwrap());
    }
    drop(sender);
    let mut numbers: Vec<i32> = receiver.iter().collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (0..100).collect::<Vec<_>>());
}

#[test]
fn runs_as_many_at_a_time_as_it_is_wide() {
    let pool = Pool::new("drvkit-test", 3);
    let (sender, receiver) = channel();
    let together = Arc::new(Barrier::new(3));
    for _ in 0..3 {
        let (sender, together) = (sender.clone(), Arc::clone(&together));
        pool.run(move || {
            together.wait();
            sender.send(()).unwrap();
        });
    }
    for _ in 0..3 {
        receiver.recv_timeout(SOON).expect("all three met");
    }
}

#[test]
fn never_runs_more_than_its_width() {
    let pool = Pool::new("drvkit-test", 2);
    let (sender, receiver) = channel();
    let running = Arc::new(Mutex::new((0, 0)));
    for _ in 0..200 {
        let (sender, running) = (sender.clone(), Arc::clone(&running));
        pool.run(move || {
            let mut counts = running.lock().unwrap();
            counts.0 += 1;
            counts.1 = counts.1.max(counts.0);
            drop(counts);
            thread::yield_now();
            running.lock().unwrap().0 -= 1;
            sender.send(()).unwrap();
        });
    }
    for _ in 0..200 {
        receiver.recv_timeout(SOON).unwrap();
    }
    assert!(running.lock().unwrap().1 <= 2);
}

#[test]
fn goes_on_after_a_panic() {
    let pool = Pool::new("drvkit-test", 1);
    let (sender, receiver) = channel();
    pool.run(|| panic!("on purpose"));
    pool.run(move || sender.send(()).unwrap());
    receiver.recv_timeout(SOON).expect("the thread survived");
}

#[test]
fn a_thread_without_work_leaves_and_another_comes_for_the_next() {
    let pool = Pool { stay: Duration::from_millis(1), ..Pool::new("drvkit-test", 2) };
    let (sender, receiver) = channel();
    for _ in 0..2 {
        let sender = sender.clone();
        pool.run(move || sender.send(()).unwrap());
        receiver.recv_timeout(SOON).expect("it ran");
        while lock(&pool.shared).threads > 0 {
            thread::yield_now();
        }
    }
}
