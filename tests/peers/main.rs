//! Tenon among the software that customers and applications really run.

mod among_themselves;
