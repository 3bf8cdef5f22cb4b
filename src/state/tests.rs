use super::*;

fn directory() -> (tempfile::TempDir, StateDir) {
    let place = tempfile::tempdir().unwrap();
    let dir = StateDir::open(&place.path().join("deep/er")).unwrap();
    (place, dir)
}

#[test]
fn a_document_comes_back_as_it_was_written_and_is_replaced_whole() {
    let (_place, dir) = directory();
    let name = DocumentName::new("job", "AWS/EC2 eu-west-1");
    assert_eq!(dir.read(&name, 1).unwrap(), None);
    for content in [b"one".to_vec(), Vec::new(), vec![7; 1 << 20]] {
        dir.write(&name, 1, &content).unwrap();
        assert_eq!(dir.read(&name, 1).unwrap(), Some(content));
    }
    assert_eq!(dir.read(&name, 2).unwrap(), None, "another format is no document of ours");
    assert_eq!(dir.names("job").unwrap(), std::slice::from_ref(&name));
    dir.remove(&name).unwrap();
    dir.remove(&name).unwrap();
    assert_eq!(dir.read(&name, 1).unwrap(), None);
}

#[test]
fn every_torn_or_changed_document_is_noticed() {
    let (_place, dir) = directory();
    let name = DocumentName::new("job", "x");
    dir.write(&name, 1, b"some words that are worth keeping").unwrap();
    let path = dir.file_of(&name);
    let whole = fs::read(&path).unwrap();
    for length in 0..whole.len() {
        fs::write(&path, &whole[..length]).unwrap();
        assert!(matches!(dir.read(&name, 1), Err(StateError::Damaged { .. })), "cut to {length} bytes");
    }
    // Bytes 12 to 21 are the head of the gzip stream, which says nothing about the content.
    for at in (0..8).chain(22..whole.len()) {
        let mut changed = whole.clone();
        changed[at] ^= 0x10;
        fs::write(&path, &changed).unwrap();
        let read = dir.read(&name, 1);
        assert!(matches!(read, Err(StateError::Damaged { .. })), "byte {at} changed: {read:?}");
    }
}

#[test]
fn what_a_crash_left_beside_a_document_is_not_a_document() {
    let (_place, dir) = directory();
    let name = DocumentName::new("job", "x");
    dir.write(&name, 1, b"old").unwrap();
    fs::write(dir.file_of(&name).with_extension("new"), b"half a docum").unwrap();
    assert_eq!(dir.read(&name, 1).unwrap().unwrap(), b"old");
    assert_eq!(dir.names("job").unwrap().len(), 1);
    dir.write(&name, 1, b"new").unwrap();
    assert_eq!(dir.read(&name, 1).unwrap().unwrap(), b"new");
}

#[test]
fn a_directory_belongs_to_one_process() {
    let (_place, dir) = directory();
    let error = StateDir::open(dir.path()).unwrap_err();
    assert!(matches!(error, StateError::InUse(_)), "{error}");
    let path = dir.path().to_owned();
    drop(dir);
    StateDir::open(&path).unwrap();
}

#[test]
fn names_are_readable_and_unique() {
    let DocumentName(name) = DocumentName::new("job", "AWS/EC2  (eu-west-1) ../ü");
    assert!(name.starts_with("job-aws-ec2-eu-west-1-"), "{name}");
    assert!(name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-'), "{name}");
    assert_ne!(DocumentName::new("job", "a/b"), DocumentName::new("job", "a-b"));
    assert!(DocumentName::new("job", &"long".repeat(1_000)).0.len() < 120);
}

#[test]
fn a_place_that_cannot_be_written_is_named() {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("file");
    fs::write(&file, "").unwrap();
    let error = StateDir::open(&file.join("below")).unwrap_err().to_string();
    assert!(error.contains("failed to create") && error.contains("below"), "{error}");
}

#[test]
fn a_document_has_a_bound_and_what_failed_leaves_the_old_one() {
    let folder = tempfile::tempdir().unwrap();
    let file = File::create(folder.path().join("file")).unwrap();
    let mut bounded = Bounded { packer: GzEncoder::new(file, Compression::fast()), left: 3 };
    bounded.write_all(b"abc").unwrap();
    assert_eq!(bounded.write_all(b"d").unwrap_err().kind(), io::ErrorKind::FileTooLarge);

    let dir = StateDir::open(&folder.path().join("state")).unwrap();
    let name = DocumentName::new("kind", "key");
    dir.write(&name, 1, b"old").unwrap();
    let too_large = dir.write_with(&name, 1, |out| {
        out.write_all(b"new")?;
        Err(io::ErrorKind::FileTooLarge.into())
    });
    assert!(matches!(too_large, Err(StateError::TooLarge(_))), "{too_large:?}");
    assert_eq!(dir.read(&name, 1).unwrap().as_deref(), Some(&b"old"[..]));
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2, "the document and the lock");
}
