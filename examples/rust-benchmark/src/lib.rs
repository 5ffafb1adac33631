//! Prime numbers.

/// All primes below `limit`, in order.
pub fn primes(limit: u32) -> Vec<u32> {
    let mut found = Vec::new();
    for number in 2..limit {
        if (2..number).all(|divisor| number % divisor != 0) {
            found.push(number);
        }
    }
    found
}
