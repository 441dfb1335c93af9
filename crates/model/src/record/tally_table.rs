//! One table a tally: its fields and their meanings stand once, and give the struct, its sums and its columns.

use std::fmt;

/// A figure of a tally.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Figure {
    /// A count or a sum.
    Whole(u64),
    /// A mean.
    Mean(f64),
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole(count) => count.fmt(f),
            Self::Mean(mean) => mean.fmt(f),
        }
    }
}

/// The way from a tally to one of its figures; none where it was not counted.
pub type Getter<T> = Box<dyn Fn(&T) -> Option<Figure> + Send>;

/// One figure of a tally `T`, for tables that list them all.
pub struct Field<T> {
    /// Its name; a part's name stands before its fields': `calls_send`.
    pub name: String,
    /// What it is, without the full stop.
    pub meaning: String,
    /// The way to it.
    pub get: Getter<T>,
}

/// What a field can be: a number, or a tally of its own.
pub(super) trait Listed: Copy + 'static {
    fn list<T: 'static>(name: &str, meaning: &str, get: fn(&T) -> Self) -> Vec<Field<T>>;
}

/// A field that is counted up.
pub(super) trait Summed: Copy {
    /// What was counted since an earlier value.
    fn since(self, earlier: Self) -> Self;
    /// Two workers' values in one.
    fn plus(self, other: Self) -> Self;
}

fn number<T: 'static, N: 'static>(
    (name, meaning): (&str, &str),
    get: fn(&T) -> N,
    figure: fn(N) -> Option<Figure>,
) -> Vec<Field<T>> {
    let get = Box::new(move |from: &T| figure(get(from)));
    vec![Field { name: name.to_owned(), meaning: meaning.to_owned(), get }]
}

impl Listed for u64 {
    fn list<T: 'static>(name: &str, meaning: &str, get: fn(&T) -> Self) -> Vec<Field<T>> {
        number((name, meaning), get, |count| Some(Figure::Whole(count)))
    }
}

impl Listed for f64 {
    fn list<T: 'static>(name: &str, meaning: &str, get: fn(&T) -> Self) -> Vec<Field<T>> {
        number((name, meaning), get, |mean| Some(Figure::Mean(mean)))
    }
}

impl Listed for Option<u64> {
    fn list<T: 'static>(name: &str, meaning: &str, get: fn(&T) -> Self) -> Vec<Field<T>> {
        number((name, meaning), get, |count| count.map(Figure::Whole))
    }
}

impl Summed for u64 {
    fn since(self, earlier: Self) -> Self {
        self.wrapping_sub(earlier)
    }

    fn plus(self, other: Self) -> Self {
        self.saturating_add(other)
    }
}

/// The place where something was first seen: nothing to add up.
impl Summed for Option<u64> {
    fn since(self, earlier: Self) -> Self {
        if earlier.is_none() { self } else { None }
    }

    fn plus(self, other: Self) -> Self {
        self.or(other)
    }
}

/// A struct of figures and the list of its fields. A field's first paragraph of documentation is its meaning in tables;
/// `as "name"` gives it another name there, and what stands in brackets after its type is an attribute of the field.
macro_rules! facts {
    (
        $(#[$meta:meta])*
        pub struct $name:ident {
            $( $(#[doc = $doc:literal])+ $field:ident $(as $column:literal)?: $type:ty $([$attribute:meta])?, )+
        }
    ) => {
        $(#[$meta])*
        pub struct $name {
            $( $(#[doc = $doc])+ $(#[$attribute])? pub $field: $type, )+
        }

        impl $name {
            /// Every figure with its meaning and the way to it, in the order of the fields.
            pub fn fields() -> Vec<$crate::record::tally_table::Field<Self>> {
                let mut fields = Vec::new();
                $( fields.extend(<$type as $crate::record::tally_table::Listed>::list(
                    $crate::record::tally_table::facts!(@name $field $($column)?),
                    concat!($($doc),+).trim().trim_end_matches('.'),
                    |from: &Self| from.$field,
                )); )+
                fields
            }
        }

        impl $crate::record::tally_table::Listed for $name {
            fn list<T: 'static>(
                name: &str,
                _: &str,
                get: fn(&T) -> Self,
            ) -> Vec<$crate::record::tally_table::Field<T>> {
                let within = |field: $crate::record::tally_table::Field<Self>| $crate::record::tally_table::Field {
                    name: format!("{name}_{}", field.name),
                    meaning: field.meaning,
                    get: Box::new(move |from: &T| (field.get)(&get(from))),
                };
                Self::fields().into_iter().map(within).collect()
            }
        }
    };
    (@name $field:ident $column:literal) => { $column };
    (@name $field:ident) => { stringify!($field) };
}

/// [`facts!`] that are counted up: with differences and sums.
macro_rules! tally {
    (
        $(#[$meta:meta])*
        pub struct $name:ident {
            $( $(#[doc = $doc:literal])+ $field:ident $(as $column:literal)?: $type:ty $([$attribute:meta])?, )+
        }
    ) => {
        $crate::record::tally_table::facts! {
            $(#[$meta])*
            pub struct $name {
                $( $(#[doc = $doc])+ $field $(as $column)?: $type $([$attribute])?, )+
            }
        }

        impl $name {
            /// What was counted since an earlier snapshot of the same tally.
            #[must_use]
            pub fn since(&self, earlier: &Self) -> Self {
                $crate::record::tally_table::Summed::since(*self, *earlier)
            }

            /// Adds another worker's tally.
            pub fn add(&mut self, other: &Self) {
                *self = $crate::record::tally_table::Summed::plus(*self, *other);
            }
        }

        impl $crate::record::tally_table::Summed for $name {
            fn since(self, earlier: Self) -> Self {
                Self {
                    $( $field: $crate::record::tally_table::Summed::since(self.$field, earlier.$field), )+
                }
            }

            fn plus(self, other: Self) -> Self {
                Self {
                    $( $field: $crate::record::tally_table::Summed::plus(self.$field, other.$field), )+
                }
            }
        }
    };
}

pub(super) use {facts, tally};
