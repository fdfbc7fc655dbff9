!> The CTSM schemes over many columns, one thread per block of columns: each process by itself, one full step, and runs
!> through many steps.
!>
!> `parameters(:, set)` are those of one parameter set; each column says which set it runs with.
module ctsm_columns
   use kinds, only: dp
   use soil_grid, only: n_layers, n_pools, layer_thickness
   use ctsm_parameters, only: ctsm_scheme, ctsm_switches, new_scheme, i_l1
   use ctsm_forcing, only: soil_column, soil_columns, soil_forcing, column_of, state_of, fpi_of, thaw_of, input_of
   use ctsm_rates, only: environment_scalars, evaluate_scalars, decomposition_rates, spinup_terms, mixing_terms
   use ctsm_cascade, only: cascade_fractions, cascade_fluxes, evaluate_fractions
   use ctsm_diffusivity, only: mixing_profile, evaluate_mixing
   use ctsm_transport, only: transport_rows, transport_solver, evaluate_rows, new_solver, transport_pools, &
                             fold_bedrock, matrix_block
   use ctsm_step, only: step_coefficients, evaluate_coefficients, full_step
   implicit none (type, external)
   private

   public :: rates_of_columns, mixing_of_columns, transport_columns, matrix_of_columns, step_columns, run_columns

contains

   !> Scalars, rates and fractions of each column for the first record.
   subroutine rates_of_columns(switches, parameters, columns, forcing, threads, scalars, rate, path, respired, &
                               spinup_factor, spinup_term)
      type(ctsm_switches), intent(in) :: switches
      real(dp), contiguous, intent(in) :: parameters(:, :)
      type(soil_columns), intent(in) :: columns
      type(soil_forcing), intent(in) :: forcing
      integer, intent(in) :: threads
      !> (layer, scalar, column): temperature, water, oxygen, depth.
      real(dp), contiguous, intent(out) :: scalars(:, :, :)
      real(dp), contiguous, intent(out) :: rate(:, :, :), path(:, :, :), respired(:, :, :)
      !> Without and with the latitude term; the latter is 1 without spin-up.
      real(dp), contiguous, intent(out) :: spinup_factor(:, :), spinup_term(:, :)
      type(ctsm_scheme) :: scheme
      type(environment_scalars) :: environment
      type(cascade_fractions) :: fractions
      integer :: c

      !$omp parallel do num_threads(threads) private(scheme, environment, fractions)
      do c = 1, size(columns%set)
         scheme = new_scheme(parameters(:, columns%set(c)), switches)
         call evaluate_scalars(scheme, state_of(forcing, c, 1), environment)
         spinup_term(:, c) = spinup_terms(scheme, columns%latitude(c))
         call decomposition_rates(scheme, environment, spinup_term(:, c), rate(:, :, c))
         call evaluate_fractions(scheme, columns%sand(:, c), fractions)
         scalars(:, 1, c) = environment%temperature
         scalars(:, 2, c) = environment%water
         scalars(:, 3, c) = environment%oxygen
         scalars(:, 4, c) = scheme%depth_scalar
         path(:, :, c) = fractions%path
         respired(:, :, c) = fractions%respired
         spinup_factor(:, c) = scheme%spinup_factor
      end do
      !$omp end parallel do
   end subroutine rates_of_columns

   !> Diffusivity (m2 s-1) and advective velocity (m s-1) of each column, levels 1 to 21.
   subroutine mixing_of_columns(switches, parameters, columns, forcing, threads, diffusivity, velocity)
      type(ctsm_switches), intent(in) :: switches
      real(dp), contiguous, intent(in) :: parameters(:, :)
      type(soil_columns), intent(in) :: columns
      type(soil_forcing), intent(in) :: forcing
      integer, intent(in) :: threads
      real(dp), contiguous, intent(out) :: diffusivity(:, :), velocity(:, :)
      type(mixing_profile) :: mixing
      integer :: c

      !$omp parallel do num_threads(threads) private(mixing)
      do c = 1, size(columns%set)
         mixing = mixing_of(new_scheme(parameters(:, columns%set(c)), switches), columns, forcing, c)
         diffusivity(:, c) = mixing%diffusivity
         velocity(:, c) = mixing%velocity
      end do
      !$omp end parallel do
   end subroutine mixing_of_columns

   pure function mixing_of(scheme, columns, forcing, c) result(mixing)
      type(ctsm_scheme), intent(in) :: scheme
      type(soil_columns), intent(in) :: columns
      type(soil_forcing), intent(in) :: forcing
      integer, intent(in) :: c
      type(mixing_profile) :: mixing

      call evaluate_mixing(scheme, thaw_of(forcing, c, 1), columns%nbedrock(c), mixing)
   end function mixing_of

   !> Transport alone: `calls` steps with the same change at each (gC m-3). The tendency of the last one
   !> (gC m-3 s-1) is that before carbon below bedrock is folded back, as the model stores it.
   subroutine transport_columns(switches, parameters, columns, forcing, dt, calls, change, threads, pools, tendency)
      type(ctsm_switches), intent(in) :: switches
      real(dp), contiguous, intent(in) :: parameters(:, :)
      type(soil_columns), intent(in) :: columns
      type(soil_forcing), intent(in) :: forcing
      real(dp), intent(in) :: dt
      real(dp), contiguous, intent(in) :: change(:, :, :)
      integer, intent(in) :: calls, threads
      real(dp), contiguous, intent(inout) :: pools(:, :, :)
      real(dp), contiguous, intent(out) :: tendency(:, :, :)
      type(ctsm_scheme) :: scheme
      type(transport_solver) :: solver
      integer :: c, call_number

      !$omp parallel do num_threads(threads) private(scheme, solver, call_number)
      do c = 1, size(columns%set)
         scheme = new_scheme(parameters(:, columns%set(c)), switches)
         call new_solver(scheme, mixing_of(scheme, columns, forcing, c), columns%nbedrock(c), &
                         mixing_terms(scheme, columns%latitude(c)), dt, solver)
         do call_number = 1, calls
            tendency(:, :, c) = -(pools(:, :, c) + change(:, :, c))
            call transport_pools(solver, change(:, :, c), pools(:, :, c))
            tendency(:, :, c) = (tendency(:, :, c) + pools(:, :, c))/dt
            call fold_bedrock(columns%nbedrock(c), pools(:, :, c))
         end do
      end do
      !$omp end parallel do
   end subroutine transport_columns

   !> One pool's block of the model's transport matrix.
   subroutine matrix_of_columns(switches, parameters, columns, forcing, dt, threads, blocks)
      type(ctsm_switches), intent(in) :: switches
      real(dp), contiguous, intent(in) :: parameters(:, :)
      type(soil_columns), intent(in) :: columns
      type(soil_forcing), intent(in) :: forcing
      real(dp), intent(in) :: dt
      integer, intent(in) :: threads
      real(dp), contiguous, intent(out) :: blocks(:, :)
      type(ctsm_scheme) :: scheme
      type(transport_rows) :: rows
      real(dp) :: acceleration(n_pools)
      integer :: c

      !$omp parallel do num_threads(threads) private(scheme, rows, acceleration)
      do c = 1, size(columns%set)
         scheme = new_scheme(parameters(:, columns%set(c)), switches)
         acceleration = mixing_terms(scheme, columns%latitude(c))
         call evaluate_rows(scheme, mixing_of(scheme, columns, forcing, c), columns%nbedrock(c), &
                            acceleration(i_l1), dt, rows)
         call matrix_block(rows, columns%nbedrock(c), dt, blocks(:, c))
      end do
      !$omp end parallel do
   end subroutine matrix_of_columns

   !> One step of each column with the first record: pools (gC m-3) before and after it, and its fluxes by transition
   !> (gC m-3 s-1).
   subroutine step_columns(switches, parameters, columns, forcing, dt, start, threads, pools, respiration, transfer)
      type(ctsm_switches), intent(in) :: switches
      real(dp), contiguous, intent(in) :: parameters(:, :)
      type(soil_columns), intent(in) :: columns
      type(soil_forcing), intent(in) :: forcing
      real(dp), intent(in) :: dt
      real(dp), contiguous, intent(in) :: start(:, :, :)
      integer, intent(in) :: threads
      real(dp), contiguous, intent(out) :: pools(:, :, :), respiration(:, :, :), transfer(:, :, :)
      type(step_coefficients) :: coefficients
      type(cascade_fluxes) :: fluxes
      integer :: c

      !$omp parallel do num_threads(threads) private(coefficients, fluxes)
      do c = 1, size(columns%set)
         call evaluate_record(new_scheme(parameters(:, columns%set(c)), switches), column_of(columns, c), forcing, c, &
                              1, dt, coefficients)
         pools(:, :, c) = start(:, :, c)
         call full_step(coefficients, columns%nbedrock(c), input_of(forcing, c, 1), dt, pools(:, :, c), fluxes)
         respiration(:, :, c) = fluxes%respiration
         transfer(:, :, c) = fluxes%transfer
      end do
      !$omp end parallel do
   end subroutine step_columns

   !> Runs every column through all steps. Step n uses forcing record `record(n)`, and where `slot(n)` is
   !> not zero, pools and the carbon respired and put in so far (gC m-2) are kept in that slot.
   subroutine run_columns(switches, parameters, columns, forcing, dt, record, slot, start, threads, saved_pools, &
                          saved_respiration, saved_input)
      type(ctsm_switches), intent(in) :: switches
      real(dp), contiguous, intent(in) :: parameters(:, :)
      type(soil_columns), intent(in) :: columns
      type(soil_forcing), intent(in) :: forcing
      real(dp), intent(in) :: dt
      integer, intent(in) :: record(:), slot(:), threads
      real(dp), contiguous, intent(in) :: start(:, :, :)
      real(dp), contiguous, intent(out) :: saved_pools(:, :, :, :), saved_respiration(:, :), saved_input(:, :)
      integer :: c

      !$omp parallel do num_threads(threads)
      do c = 1, size(columns%set)
         call run_column(new_scheme(parameters(:, columns%set(c)), switches), column_of(columns, c), forcing, c, &
                         dt, record, slot, start(:, :, c), saved_pools(:, :, :, c), saved_respiration(:, c), &
                         saved_input(:, c))
      end do
      !$omp end parallel do
   end subroutine run_columns

   pure subroutine run_column(scheme, column, forcing, c, dt, record, slot, start, saved_pools, saved_respiration, &
                              saved_input)
      type(ctsm_scheme), intent(in) :: scheme
      type(soil_column), intent(in) :: column
      type(soil_forcing), intent(in) :: forcing
      integer, intent(in) :: c, record(:), slot(:)
      real(dp), intent(in) :: dt
      real(dp), intent(in) :: start(n_layers, n_pools)
      real(dp), contiguous, intent(out) :: saved_pools(:, :, :), saved_respiration(:), saved_input(:)
      type(step_coefficients) :: coefficients
      type(cascade_fluxes) :: fluxes
      real(dp) :: pools(n_layers, n_pools), respired, received
      integer :: step, current, input_record

      pools = start
      respired = 0.0_dp
      received = 0.0_dp
      current = 0
      input_record = 1
      do step = 1, size(record)
         if (record(step) /= current) then
            current = record(step)
            input_record = min(current, size(forcing%input, 4))
            call evaluate_record(scheme, column, forcing, c, current, dt, coefficients)
         end if
         associate (input => forcing%input(:, :, c, input_record))
            call full_step(coefficients, column%nbedrock, input, dt, pools, fluxes)
            received = received + column_integral(input)*dt
         end associate
         respired = respired + column_integral(fluxes%respiration)*dt
         if (slot(step) /= 0) then
            saved_pools(:, :, slot(step)) = pools
            saved_respiration(slot(step)) = respired
            saved_input(slot(step)) = received
         end if
      end do
   end subroutine run_column

   pure subroutine evaluate_record(scheme, column, forcing, c, record, dt, coefficients)
      type(ctsm_scheme), intent(in) :: scheme
      type(soil_column), intent(in) :: column
      type(soil_forcing), intent(in) :: forcing
      integer, intent(in) :: c, record
      real(dp), intent(in) :: dt
      type(step_coefficients), intent(out) :: coefficients

      call evaluate_coefficients(scheme, column, state_of(forcing, c, record), fpi_of(forcing, c, record), &
                                 thaw_of(forcing, c, record), dt, coefficients)
   end subroutine evaluate_record

   !> Sum over the column of something per volume (m-3 to m-2), without a temporary array.
   pure function column_integral(density) result(total)
      real(dp), contiguous, intent(in) :: density(:, :)
      real(dp) :: total
      integer :: k

      total = 0.0_dp
      do k = 1, size(density, 2)
         total = total + dot_product(layer_thickness, density(:, k))
      end do
   end function column_integral

end module ctsm_columns
