import { CheckField, SelectField, TextArea, TextField } from '../../ui/fields.tsx';
import { JsonField } from './json-field.tsx';
import { linesOf, withMember } from './schema-form.ts';
import type { Config, FormField } from './schema-form.ts';

interface FieldsProps {
  fields: readonly FormField[];
  config: Config;
  onChange: (config: Config) => void;
  /** What the server says about a member. */
  errorAt: (name: string) => string | undefined;
}

/** The form of a JSON Schema. */
export function SchemaFields({ fields, config, onChange, errorAt }: FieldsProps) {
  return (
    <div className="flex flex-col gap-4">
      {fields.map((field) => (
        <SchemaField
          key={field.name}
          field={field}
          value={config[field.name]}
          set={(value) => onChange(withMember(config, field.name, value))}
          errorAt={(below) => errorAt(below === '' ? field.name : `${field.name}.${below}`)}
        />
      ))}
    </div>
  );
}

interface FieldProps {
  field: FormField;
  value: unknown;
  set: (value: unknown) => void;
  errorAt: (below: string) => string | undefined;
}

function SchemaField({ field, value, set, errorAt }: FieldProps) {
  const common = { label: field.label, hint: field.about, error: field.kind === 'group' ? undefined : errorAt('') };
  switch (field.kind) {
    case 'check':
      return (
        <CheckField
          label={field.label}
          hint={field.about}
          checked={(value ?? field.byDefault) === true}
          onChange={(event) => set(event.target.checked)}
        />
      );
    case 'number':
      return (
        <TextField
          {...common}
          type="number"
          required={field.isRequired}
          min={field.min}
          max={field.max}
          step={field.isWhole ? 1 : 'any'}
          placeholder={placeholder(field)}
          value={typeof value === 'number' ? value : ''}
          onChange={(event) => set(event.target.value === '' ? undefined : event.target.valueAsNumber)}
        />
      );
    case 'choice':
      return (
        <SelectField
          {...common}
          value={typeof value === 'string' ? value : ''}
          choices={[
            { value: '', label: `Default${typeof field.byDefault === 'string' ? `: ${field.byDefault}` : ''}` },
            ...field.choices.map((choice) => ({ value: choice, label: choice })),
          ]}
          onChange={(event) => set(event.target.value)}
        />
      );
    case 'checks':
      return <Checks field={field} choices={field.choices} chosen={Array.isArray(value) ? (value as string[]) : []} set={set} />;
    case 'texts':
      return <Texts {...common} value={Array.isArray(value) ? (value as string[]) : []} set={set} />;
    case 'group':
      return (
        <fieldset className="rounded-lg border border-line p-3">
          <legend className="px-1 text-sm font-medium">{field.label}</legend>
          {field.about !== undefined && <p className="mb-3 text-[13px] text-ink-faint">{field.about}</p>}
          <SchemaFields fields={field.fields} config={(value ?? {}) as Config} onChange={set} errorAt={errorAt} />
        </fieldset>
      );
    case 'json':
      return <JsonField {...common} value={value} onChange={set} rows={5} />;
    case 'text':
      return (
        <TextField
          {...common}
          required={field.isRequired}
          placeholder={placeholder(field)}
          value={typeof value === 'string' ? value : ''}
          onChange={(event) => set(event.target.value)}
        />
      );
  }
}

function placeholder({ byDefault }: FormField): string | undefined {
  return typeof byDefault === 'string' || typeof byDefault === 'number' ? String(byDefault) : undefined;
}

interface TextsProps {
  label: string;
  hint: string | undefined;
  error: string | undefined;
  value: readonly string[];
  set: (value: unknown) => void;
}

/** One a line. The empty lines of somebody who is about to write more stay until the field is left. */
function Texts({ label, hint, error, value, set }: TextsProps) {
  return (
    <TextArea
      label={label}
      hint={`${hint ?? ''} One a line.`.trim()}
      error={error}
      rows={3}
      className="min-h-16"
      value={value.join('\n')}
      onChange={(event) => set(event.target.value === '' ? undefined : event.target.value.split('\n'))}
      onBlur={(event) => set(linesOf(event.target.value))}
    />
  );
}

interface ChecksProps {
  field: FormField;
  choices: readonly string[];
  chosen: readonly string[];
  set: (value: unknown) => void;
}

function Checks({ field, choices, chosen, set }: ChecksProps) {
  return (
    <fieldset className="flex flex-col gap-1.5">
      <legend className="text-sm font-medium">{field.label}</legend>
      {choices.map((choice) => (
        <CheckField
          key={choice}
          label={choice}
          checked={chosen.includes(choice)}
          onChange={({ target }) => set(choices.filter((each) => (each === choice ? target.checked : chosen.includes(each))))}
        />
      ))}
      {field.about !== undefined && <p className="text-[13px] text-ink-faint">{field.about}</p>}
    </fieldset>
  );
}
