use primes::primes;

#[test]
fn the_first_primes_are_known() {
    assert_eq!(primes(30), [2, 3, 5, 7, 11, 13, 17, 19, 23, 29]);
}

#[test]
fn there_are_none_below_two() {
    assert!(primes(0).is_empty());
    assert!(primes(2).is_empty());
}
