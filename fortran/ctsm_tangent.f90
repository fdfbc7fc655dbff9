!> Tangent of the annual mean and of its balance: the effect of a small change of parameters, scalars and input.
module ctsm_tangent
   use kinds, only: dp
   use soil_grid, only: n_layers, n_pools, layer_thickness
   use ctsm_parameters, only: ctsm_scheme, ctsm_parameter_set, i_cwd
   use ctsm_forcing, only: soil_column, soil_forcing
   use ctsm_cascade, only: n_transitions, donor, receiver
   use ctsm_annual_mean, only: annual_mean, clear, folded_input
   use ctsm_linearisation, only: constant_part, record_part, linearise_constants, linearise_record, &
                                 i_temperature, i_water, i_oxygen, i_fpi
   implicit none (type, external)
   private

   public :: tangent_of_mean, tangent_of_balance

contains

   !> Change of the mean coefficients. `scalars` are changes of (layer, scalar, record), `input` of
   !> (layer, pool, record).
   pure subroutine tangent_of_mean(scheme, column, forcing, c, weight, parameters, scalars, input, change)
      type(ctsm_scheme), intent(in) :: scheme
      type(soil_column), intent(in) :: column
      type(soil_forcing), intent(in) :: forcing
      integer, intent(in) :: c
      real(dp), intent(in) :: weight(:), scalars(:, :, :), input(:, :, :)
      type(ctsm_parameter_set), intent(in) :: parameters
      type(annual_mean), intent(out) :: change
      type(constant_part) :: constants
      type(record_part) :: part
      integer :: record

      call linearise_constants(scheme, column, constants)
      change%nbedrock = column%nbedrock
      call clear(change)
      change%respired = respired_change(parameters)
      do record = 1, size(weight)
         call linearise_record(scheme, column, forcing, c, record, constants, part)
         call add_losses(scheme, constants, part, weight(record), parameters, scalars(:, :, record), change%loss)
         call add_exchange(constants, part, weight(record), parameters, change)
         change%input = change%input + weight(record)*folded_input(input(:, :, record), column%nbedrock)
      end do
   end subroutine tangent_of_mean

   pure function respired_change(p) result(change)
      type(ctsm_parameter_set), intent(in) :: p
      real(dp) :: change(n_layers, n_transitions)

      change = spread([p%rf_l1s1, p%rf_l2s1, p%rf_l3s2, 0.0_dp, 0.0_dp, p%rf_s2s1, p%rf_s2s3, p%rf_s3s1, &
                       p%rf_cwdl2, p%rf_cwdl3], 1, n_layers)
   end function respired_change

   !> Turnover time by pool; L2 and L3 share one.
   pure function turnover_times(p) result(turnover)
      type(ctsm_parameter_set), intent(in) :: p
      real(dp) :: turnover(n_pools)

      turnover = [p%tau_cwd, p%tau_l1, p%tau_l2_l3, p%tau_l2_l3, p%tau_s1, p%tau_s2, p%tau_s3]
   end function turnover_times

   pure subroutine add_losses(scheme, constants, part, weight, p, scalars, loss)
      type(ctsm_scheme), intent(in) :: scheme
      type(constant_part), intent(in) :: constants
      type(record_part), intent(in) :: part
      real(dp), intent(in) :: weight, scalars(:, :)
      type(ctsm_parameter_set), intent(in) :: p
      real(dp), intent(inout) :: loss(n_layers, n_transitions)
      real(dp) :: environment(n_layers), environment_change(n_layers), sped_change(n_pools), path_change(n_transitions)
      integer :: k

      path_change = 0.0_dp
      path_change(9:10) = [p%cwd_fcel, p%cwd_flig]
      sped_change = constants%spinup*(constants%rates%rate_by_turnover*turnover_times(p) &
                                      + constants%rates%rate_by_year*p%days_per_year) &
         + scheme%base_rate*constants%rates%spinup_by_turnover*turnover_times(p)
      environment = part%scalars%temperature*part%scalars%water*scheme%depth_scalar*part%scalars%oxygen
      environment_change = change_of_environment(scheme, part, p, scalars)
      do k = 1, n_transitions
         associate (sped => scheme%base_rate(donor(k))*constants%spinup(donor(k)), &
                    path => constants%fractions%path(:, k))
            loss(:, k) = loss(:, k) + weight*( &
               (sped_change(donor(k))*environment + sped*environment_change)*path*part%nitrogen(:, k) &
               + sped*environment*(path_change(k)*part%nitrogen(:, k) &
                                   + path*constants%limited(:, k)*scalars(:, i_fpi)))
         end associate
      end do
   end subroutine add_losses

   !> Change of the product of the temperature, water, depth and oxygen scalars.
   pure function change_of_environment(scheme, part, p, scalars) result(change)
      type(ctsm_scheme), intent(in) :: scheme
      type(record_part), intent(in) :: part
      type(ctsm_parameter_set), intent(in) :: p
      real(dp), intent(in) :: scalars(:, :)
      real(dp) :: change(n_layers)

      associate (t => part%scalars%temperature, w => part%scalars%water, o => part%scalars%oxygen, &
                 depth => scheme%depth_scalar, by => part%by_parameters)
         change = w*depth*o*(scalars(:, i_temperature) + by%temperature_by_q10*p%q10 &
                             + by%temperature_by_froz_q10*p%froz_q10) &
            + t*depth*o*(scalars(:, i_water) + by%water_by_minpsi*p%minpsi_hr + by%water_by_maxpsi*p%maxpsi_hr) &
            + t*w*depth*(scalars(:, i_oxygen) + by%oxygen_by_floor*p%mino2lim) &
            + t*w*o*by%depth_by_efolding*p%decomp_depth_efolding
      end associate
   end function change_of_environment

   pure subroutine add_exchange(constants, part, weight, p, change)
      type(constant_part), intent(in) :: constants
      type(record_part), intent(in) :: part
      real(dp), intent(in) :: weight
      type(ctsm_parameter_set), intent(in) :: p
      type(annual_mean), intent(inout) :: change
      real(dp), dimension(n_layers + 1) :: diffusivity, velocity
      real(dp), dimension(n_layers) :: mixed, downward, upward
      real(dp) :: spinup_change(n_pools)
      integer :: pool

      diffusivity = part%mixing%diffusivity_by_bioturbation*p%som_diffus &
         + part%mixing%diffusivity_by_cryoturbation*p%cryoturb_diffusion_k &
         + part%mixing%diffusivity_by_depth*p%max_depth_cryoturb
      velocity = part%mixing%velocity_by_advection*p%som_adv_flux
      mixed = part%exchange%by_diffusivity_here*diffusivity(:n_layers) &
         + part%exchange%by_diffusivity_below*diffusivity(2:)
      downward = mixed + part%exchange%downward_by_velocity*velocity(2:)
      upward(1) = 0.0_dp
      upward(2:) = mixed(:n_layers - 1) + part%exchange%upward_by_velocity(:n_layers - 1)*velocity(2:n_layers)
      spinup_change = constants%rates%spinup_by_turnover*turnover_times(p)
      do pool = i_cwd + 1, n_pools
         associate (term => constants%spinup(pool), term_change => spinup_change(pool))
            change%downward(:, pool) = change%downward(:, pool) &
               + weight*(term*downward + term_change*part%downward)/layer_thickness
            change%upward(:, pool) = change%upward(:, pool) &
               + weight*(term*upward + term_change*part%upward)/layer_thickness
         end associate
      end do
   end subroutine add_exchange

   !> Source (gC m-2 s-1) whose balance is the change of the steady carbon (gC m-2) under changed coefficients.
   pure subroutine tangent_of_balance(mean, change, carbon, source)
      type(annual_mean), intent(in) :: mean, change
      real(dp), intent(in) :: carbon(n_layers, n_pools)
      real(dp), intent(out) :: source(n_layers, n_pools)
      real(dp) :: moved(n_layers - 1)
      integer :: k, pool

      source = change%input
      do k = 1, n_transitions
         associate (from => donor(k), to => receiver(k))
            source(:, from) = source(:, from) - change%loss(:, k)*carbon(:, from)
            source(:, to) = source(:, to) + carbon(:, from) &
               *((1.0_dp - mean%respired(:, k))*change%loss(:, k) - change%respired(:, k)*mean%loss(:, k))
         end associate
      end do
      do pool = i_cwd + 1, n_pools
         moved = change%downward(:n_layers - 1, pool)*carbon(:n_layers - 1, pool) &
            - change%upward(2:, pool)*carbon(2:, pool)
         source(:n_layers - 1, pool) = source(:n_layers - 1, pool) - moved
         source(2:, pool) = source(2:, pool) + moved
      end do
   end subroutine tangent_of_balance

end module ctsm_tangent
