//! The engines, each asked by its cheapest public entry point.
use crate::{Runner, User, R};
mod configcat_;
mod eppo;
mod featurevisor_;
mod flagd;
mod flagsmith;
mod floor;
mod growthbook;
mod launchdarkly;
mod openfeature;
mod posthog;
mod serinus;
mod statsig;
mod unleash;

pub fn all(us: &[User], rt: &tokio::runtime::Runtime, want: impl Fn(&str) -> bool) -> Vec<Box<dyn Runner>> {
    let mut v: Vec<Box<dyn Runner>> = vec![];
    macro_rules! add {
        ($name:literal, $e:expr) => {
            if want($name) {
                eprintln!("loading {}", $name);
                v.push(Box::new(R($e)));
            }
        };
    }
    add!("floor-handle", floor::Handle::new(us));
    add!("floor-key", floor::Key::new(us));
    add!("serinus", serinus::Serinus::new(us));
    add!("openfeature-sdk over floor-key", openfeature::Of::new(us, rt));
    add!("eppo_core", eppo::Eppo::new(us));
    add!("launchdarkly-evaluation", launchdarkly::Ld::new(us));
    add!("unleash-yggdrasil(bool)", unleash::Ygg::<false>::new(us));
    add!("unleash-yggdrasil(variant)", unleash::Ygg::<true>::new(us));
    add!("flagsmith-flag-engine", flagsmith::Fs::new(us));
    add!("statsig-rust", statsig::Sg::new(us, rt));
    add!("growthbook-rust", growthbook::Gb::new(us, rt));
    add!("flagd-evaluation-engine", flagd::Flagd::new(us));
    add!("posthog-rs", posthog::Ph::new(us));
    add!("featurevisor", featurevisor_::Fv::new(us));
    add!("configcat", configcat_::Cc::new(us));
    v
}
