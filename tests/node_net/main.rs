//! Node's `net`, behaviour by behaviour: one test for each file of Node's own suite, named after it. `README.md` is
//! the table of them all.
#![allow(
    clippy::unwrap_used,
    reason = "a test says what it expects by panicking"
)]
#![allow(
    non_snake_case,
    reason = "tests have the names of Node's files, and one of those has capitals"
)]

#[path = "../support/mod.rs"]
mod support;

mod rows_a_to_b;
mod rows_c;
mod rows_connect_o_to_u;
mod rows_d_to_k;
mod rows_l_to_o;
mod rows_p_to_r;
mod rows_pingpong;
mod rows_se;
mod rows_so_to_sy;
mod rows_t_to_w;

mod children;
mod rules;
mod table;
