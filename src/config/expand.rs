//! `${NAME}` in the values of a native file: the environment's value. `$$` is a dollar sign; any other dollar stays (the
//! patterns of search tags are full of them).

/// The text with its variables replaced; `None` when there is nothing to replace.
pub(super) fn variables(text: &str, env: &dyn Fn(&str) -> Option<String>) -> Result<Option<String>, String> {
    if !text.contains("$$") && !text.contains("${") {
        return Ok(None);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        out.push_str(before);
        if let Some(after) = after.strip_prefix('$') {
            out.push('$');
            rest = after;
        } else if after.starts_with("{aws:") || after.starts_with("{!aws:") {
            // The agent's placeholder for what the instance knows of itself.
            out.push('$');
            rest = after;
        } else if let Some(after) = after.strip_prefix('{') {
            let (name, after) = after.split_once('}').filter(|(name, _)| is_name(name)).ok_or_else(|| {
                "${ begins the name of a variable: write ${NAME}, or $${ for the characters themselves".to_owned()
            })?;
            let value = env(name).ok_or_else(|| format!("the environment variable {name} is not set"))?;
            out.push_str(&value);
            rest = after;
        } else {
            out.push('$');
            rest = after;
        }
    }
    out.push_str(rest);
    Ok(Some(out))
}

fn is_name(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_replaced_and_other_dollars_stay() {
        let env = |name: &str| (name == "NAME").then(|| "va$$lue".to_owned());
        let table = [
            ("plain", None),
            ("^prod$", None),
            ("a$b", None),
            ("${NAME}", Some("va$$lue")),
            ("x-${NAME}-y", Some("x-va$$lue-y")),
            ("a$$b", Some("a$b")),
            ("$${NAME}", Some("${NAME}")),
            ("^$${2}$", Some("^${2}$")),
            ("${aws:InstanceId}", Some("${aws:InstanceId}")),
        ];
        for (text, want) in table {
            assert_eq!(variables(text, &env).unwrap().as_deref(), want, "{text}");
        }
        for text in ["${OTHER}", "${", "${}", "${1A}", "${A B}", "x${NAME"] {
            assert!(variables(text, &env).is_err(), "{text}");
        }
    }
}
