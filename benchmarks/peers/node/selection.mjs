// Which columns an operation asks for.

/**
 * The columns, spelt for SQL, of the fields selected below `path` of the field that is resolved. `columns` says which a
 * field is made of; one that it does not name needs none.
 */
export function columnsOf(info, path, columns) {
  let nodes = info.fieldNodes;
  for (const name of path) nodes = fieldsOf(nodes, info).filter((field) => field.name.value === name);
  const wanted = new Set(['district_id']);
  for (const field of fieldsOf(nodes, info)) {
    for (const column of columns[field.name.value] ?? []) wanted.add(column);
  }
  return [...wanted].join(', ');
}

function fieldsOf(nodes, info) {
  return nodes.flatMap(({ selectionSet }) =>
    (selectionSet?.selections ?? []).flatMap((selection) => {
      if (selection.kind === 'Field') return [selection];
      return fieldsOf([selection.kind === 'FragmentSpread' ? info.fragments[selection.name.value] : selection], info);
    }),
  );
}
