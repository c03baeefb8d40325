//! Validation by an XML Schema, as far as the schemas of JUnit files go: global elements and types,
//! sequences, choices, references, attributes, patterns.

use regex::Regex;
use roxmltree::{Document, Node};

/// A schema.
struct Schema<'x> {
    root: Node<'x, 'x>,
}

/// Every way in which `text` is not as `schema` demands; panics where the schema itself is not
/// understood.
pub(super) fn mistakes(schema: &str, text: &str) -> Vec<String> {
    let schema = Document::parse(schema).expect("the schema is XML");
    let schema = Schema {
        root: schema.root_element(),
    };
    let document = match Document::parse(text) {
        Ok(document) => document,
        Err(error) => return vec![error.to_string()],
    };
    let root = document.root_element();
    let mut mistakes = Vec::new();
    match schema.named("element", root.tag_name().name()) {
        Some(element) => schema.check(element, root, &mut mistakes),
        None => mistakes.push(format!("unknown root {:?}", root.tag_name())),
    }
    mistakes
}

impl<'x> Schema<'x> {
    /// A global declaration.
    fn named(&self, kind: &str, name: &str) -> Option<Node<'x, 'x>> {
        let is = |node: &Node<'_, '_>| {
            node.has_tag_name_of(kind) && node.attribute("name") == Some(name)
        };
        self.root.children().find(is)
    }

    fn check(&self, element: Node<'x, 'x>, found: Node<'_, '_>, mistakes: &mut Vec<String>) {
        let name = found.tag_name().name();
        let inline = element
            .children()
            .find(|child| child.has_tag_name_of("complexType"));
        let named = element
            .attribute("type")
            .and_then(|name| self.named("complexType", name));
        let Some(declared) = inline.or(named) else {
            // A simple type: text only.
            if found.children().any(|child| child.is_element()) || found.attributes().len() > 0 {
                mistakes.push(format!("{name} may hold text only"));
            }
            return;
        };
        self.check_attributes(declared, found, mistakes);
        let text = found.children().filter(Node::is_text);
        let is_blank = text
            .filter_map(|node| node.text())
            .all(|text| text.trim().is_empty());
        if declared.attribute("mixed") != Some("true") && !is_blank {
            mistakes.push(format!("{name} may hold no text"));
        }
        let children: Vec<Node<'_, '_>> = found.children().filter(Node::is_element).collect();
        let names: Vec<&str> = children
            .iter()
            .map(|child| child.tag_name().name())
            .collect();
        let particle = declared.children().find(|child| is_particle(*child));
        let ends = particle.map_or(vec![0], |particle| self.ends(particle, &names, 0));
        if !ends.contains(&names.len()) {
            mistakes.push(format!("{name} may not hold {names:?}"));
        }
        for child in children {
            let local = declared.descendants().find(|node| {
                node.has_tag_name_of("element")
                    && node.attribute("name") == Some(child.tag_name().name())
            });
            match local.or_else(|| self.named("element", child.tag_name().name())) {
                Some(element) => self.check(element, child, mistakes),
                None => mistakes.push(format!("unknown element {}", child.tag_name().name())),
            }
        }
    }

    fn check_attributes(
        &self,
        declared: Node<'x, 'x>,
        found: Node<'_, '_>,
        mistakes: &mut Vec<String>,
    ) {
        let name = found.tag_name().name();
        let allowed: Vec<_> = declared
            .children()
            .filter(|child| child.has_tag_name_of("attribute"))
            .collect();
        for attribute in &allowed {
            let key = attribute.attribute("name").expect("attributes have names");
            match found.attribute(key) {
                None if attribute.attribute("use") == Some("required") => {
                    mistakes.push(format!("{name} lacks {key}"));
                }
                Some(value) if !self.is_of(attribute.attribute("type"), value) => {
                    mistakes.push(format!("{name} has {key}={value:?}"));
                }
                _ => {}
            }
        }
        for attribute in found.attributes() {
            if !allowed
                .iter()
                .any(|node| node.attribute("name") == Some(attribute.name()))
            {
                mistakes.push(format!("{name} may have no {}", attribute.name()));
            }
        }
    }

    /// Whether a value is of a simple type.
    fn is_of(&self, kind: Option<&str>, value: &str) -> bool {
        let kind = kind.expect("attributes have types");
        if kind == "xs:string" {
            return true;
        }
        let declared = self.named("simpleType", kind).expect("a known type");
        let pattern = declared
            .descendants()
            .find(|node| node.has_tag_name_of("pattern"));
        let pattern = pattern
            .and_then(|node| node.attribute("value"))
            .expect("it has a pattern");
        Regex::new(&format!("^(?:{pattern})$"))
            .expect("it is a pattern")
            .is_match(value)
    }

    /// Where a particle may end that begins at `from`.
    fn ends(&self, particle: Node<'x, 'x>, names: &[&str], from: usize) -> Vec<usize> {
        let number = |key| {
            particle
                .attribute(key)
                .map(|text| text.parse().unwrap_or(usize::MAX))
        };
        let (least, most) = (
            number("minOccurs").unwrap_or(1),
            number("maxOccurs").unwrap_or(1),
        );
        let mut reached = vec![from];
        let mut ends = if least == 0 { vec![from] } else { Vec::new() };
        for round in 1..=most.min(names.len() + 1) {
            let mut next: Vec<usize> = reached
                .iter()
                .flat_map(|at| self.once(particle, names, *at))
                .collect();
            next.sort_unstable();
            next.dedup();
            next.retain(|at| !ends.contains(at));
            if round >= least {
                ends.extend(&next);
            }
            reached = next;
        }
        ends
    }

    /// Where a particle may end that occurs once.
    fn once(&self, particle: Node<'x, 'x>, names: &[&str], from: usize) -> Vec<usize> {
        let parts = particle.children().filter(|child| is_particle(*child));
        match particle.tag_name().name() {
            "element" => {
                let name = particle
                    .attribute("ref")
                    .or_else(|| particle.attribute("name"));
                let is = names.get(from).is_some_and(|found| Some(*found) == name);
                if is { vec![from + 1] } else { Vec::new() }
            }
            "choice" => parts
                .flat_map(|part| self.ends(part, names, from))
                .collect(),
            "sequence" => parts.fold(vec![from], |reached, part| {
                let next = reached.into_iter();
                next.flat_map(|at| self.ends(part, names, at)).collect()
            }),
            other => panic!("unknown particle {other}"),
        }
    }
}

fn is_particle(node: Node<'_, '_>) -> bool {
    ["sequence", "choice", "element"]
        .iter()
        .any(|name| node.has_tag_name_of(name))
}

/// Names of the schema's own language.
trait Named {
    /// Whether the node is such an element of XML Schema.
    fn has_tag_name_of(&self, name: &str) -> bool;
}

impl Named for Node<'_, '_> {
    fn has_tag_name_of(&self, name: &str) -> bool {
        self.has_tag_name(("http://www.w3.org/2001/XMLSchema", name))
    }
}

#[test]
fn the_validator_finds_what_a_schema_forbids() {
    let schema = include_str!("../../tests/junit-10.xsd");
    let suite = |inner: &str| {
        format!(
            "<testsuites><testsuite name='a' tests='1' failures='0' errors='0'>{inner}</testsuite></testsuites>"
        )
    };
    let fine = [
        "<testsuites/>".to_owned(),
        suite("<properties><property name='a' value='b'/></properties><testcase name='x'/>"),
        suite("<testcase name='x'><skipped type='a' message='b'>text</skipped></testcase>"),
    ];
    for text in fine {
        assert_eq!(mistakes(schema, &text), Vec::<String>::new(), "{text}");
    }
    for (text, mistake) in [
        (
            "<testsuites skipped='1'/>".to_owned(),
            "may have no skipped",
        ),
        ("<testsuites time='1e3'/>".to_owned(), "has time"),
        (
            "<testsuites><testcase name='x'/></testsuites>".to_owned(),
            "may not hold",
        ),
        (suite("<testcase/>"), "lacks name"),
        (suite("words"), "may hold no text"),
        (suite("<properties/><surprise/>"), "may not hold"),
        ("<report/>".to_owned(), "unknown root"),
        ("<testsuites".to_owned(), ""),
    ] {
        let found = mistakes(schema, &text);
        assert!(
            found.iter().any(|found| found.contains(mistake)),
            "{text}: {found:?}"
        );
    }
}
