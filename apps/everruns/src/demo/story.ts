/** What the demo's agent is asked, and how its scripted model answers: the model needs no key, everything else is real. */

export const TASK = 'Book my trip to Lisbon: the train to the airport, the flight and a table for two tonight. Then tell me the plan.';

/** Words that only the last answer begins with: what is on its way when the worker is killed. */
export const SUMMARY_BEGINS = 'Everything is booked';

export const BOOKINGS = ['the train to the airport', 'the flight to Lisbon', 'a table for two'] as const;

const todo = (content: string, activeForm: string, status: string) => ({ content, activeForm, status });

/** The task with the model's script in it: model `llmsim-script` plays the block. */
export function scriptedTask(): string {
  const turns = [
    {
      text: 'I will plan this first and look at the clock.',
      chunk_delay_ms: 120,
      tool_calls: [
        {
          id: 'plan',
          name: 'write_todos',
          arguments: {
            todos: [todo('Book three things', 'Booking three things', 'in_progress'), todo('Tell the plan', 'Telling the plan', 'pending')],
          },
        },
        { id: 'clock', name: 'get_current_time', arguments: { timezone: 'Europe/Lisbon', format: 'human' } },
      ],
    },
    {
      text: 'Now all three bookings at once.',
      chunk_delay_ms: 120,
      tool_calls: BOOKINGS.map((what, index) => ({ id: `booking-${index + 1}`, name: 'book', arguments: { what } })),
    },
    {
      text: `${SUMMARY_BEGINS}. The train leaves two hours before the flight, which leaves time for a coffee at the airport. In Lisbon the hotel is a short walk from the river, and the table for two waits at eight. Enjoy the evening!`,
      chunk_delay_ms: 120,
    },
  ];
  return `${TASK}\n\n\`\`\`llmsim\n${JSON.stringify({ turns })}\n\`\`\``;
}

/** The agent of the demo. */
export function agentDefinition(ledger: string) {
  return {
    name: 'travel-desk',
    display_name: 'Travel desk',
    system_prompt: 'You book trips. Plan first, book what is asked for, and end with the plan in a few sentences.',
    capabilities: [{ ref: 'current_time' }, { ref: 'stateless_todo_list' }, { ref: 'demo_bookings', config: { ledger } }],
  };
}
