// The controls above the list: the view, a state and a kind of work. They only tell the new filter; it stands in the
// address.

import type { UserType } from "@fanfare/events";
import { type Option, Select } from "../ui";
import { type JobFilter, ownStatuses, viewWords } from "./filter";
import { JOB_TYPES, statusWord, typeWord } from "./job";
import styles from "./list-filters.module.css";

interface ListFiltersProps {
  filter: JobFilter;
  role: UserType;
  onChange: (filter: JobFilter) => void;
}

/** Stands for "no filter" in a select, whose values are texts. */
const ANY = "any";

const TYPE_OPTIONS: readonly Option<string>[] = [
  { value: ANY, label: "All types" },
  ...JOB_TYPES.map((type) => ({ value: type, label: typeWord(type) })),
];

/** The filters of the list. */
export function ListFilters({ filter, role, onChange }: ListFiltersProps) {
  const statuses = ownStatuses(role);
  const stateOptions = [
    { value: ANY, label: "All states" },
    ...statuses.map((status) => ({ value: status, label: statusWord(status) })),
  ];
  return (
    <div className={styles.filters}>
      <fieldset className={styles.views}>
        <legend className="visually-hidden">Which jobs</legend>
        {viewWords(role).map(({ view, word }) => (
          <label key={view} className={styles.view}>
            <input
              type="radio"
              name="view"
              className="visually-hidden"
              checked={filter.view === view}
              onChange={() => onChange({ ...filter, view, status: null })}
            />
            <span>{word}</span>
          </label>
        ))}
      </fieldset>
      <div className={styles.selects}>
        {filter.view === "mine" && (
          <Select
            label="State"
            hideLabel
            value={filter.status ?? ANY}
            options={stateOptions}
            onChange={(value) =>
              onChange({ ...filter, status: statuses.find((status) => status === value) ?? null })
            }
          />
        )}
        <Select
          label="Type"
          hideLabel
          value={filter.type ?? ANY}
          options={TYPE_OPTIONS}
          onChange={(value) =>
            onChange({ ...filter, type: JOB_TYPES.find((type) => type === value) ?? null })
          }
        />
      </div>
    </div>
  );
}
