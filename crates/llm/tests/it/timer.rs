//! Virtual time.

use std::time::{Duration, Instant};

use serinus_llm::{ScaledTimer, Timer};

#[tokio::test]
async fn virtual_time_is_scaled_both_ways() {
    let timer = ScaledTimer::new(1000.0, 7_000_000).unwrap();
    let (started, before_us) = (Instant::now(), timer.now_us());
    assert!(before_us >= 7_000_000);
    timer.sleep(50_000_000).await;
    let (wall, passed_us) = (started.elapsed(), timer.now_us() - before_us);
    assert!(wall >= Duration::from_millis(50) && wall < Duration::from_secs(5), "{wall:?}");
    assert!(passed_us >= 50_000_000, "{passed_us}");
    assert_eq!(timer.wall_duration(1_000_000), Duration::from_millis(1));
}

#[test]
fn impossible_factors_are_refused() {
    for factor in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e9] {
        assert!(ScaledTimer::new(factor, 0).is_err(), "{factor}");
    }
    assert!(ScaledTimer::real_time().now_us() > 1_600_000_000_000_000);
    assert_eq!(ScaledTimer::new(1000.0, u64::MAX).unwrap().now_us(), u64::MAX);
}
